"""Layers in inference mode: a layer runs as in inference even while the model around it trains.

Keras has no switch for this. `trainable = False` has no effect on Dropout, and `fit` overrides a `training=False` that
was passed when the model was built (keras #20285). Therefore `call` is replaced on the layer object. The config of the
layer, and so the saved model, does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from keras import layers

_CALL = "call"
_REPLACED = "_replaced_by_hold_still"  # attribute of our function: what the layer object had in place of it


def layers_inside(layer: layers.Layer) -> list[layers.Layer]:
    """Returns a layer or model and all layers inside it, at every depth."""
    return list(layer._flatten_layers())


def is_still(layer: layers.Layer) -> bool:
    """Returns whether `hold_still` has put a layer into inference mode."""
    return hasattr(vars(layer).get(_CALL), _REPLACED)


def hold_still(layer: layers.Layer, still: bool) -> None:
    """Puts a layer into inference mode, or takes it out again.

    Args:
        layer: the layer; layers inside it are not changed.
        still: True to run as in inference even while the model trains, False for Keras' own behaviour.
    """
    if is_still(layer) == still:
        return
    if not still:
        _set_call(layer, getattr(vars(layer)[_CALL], _REPLACED))
    elif layer._call_has_training_arg:
        call = layer.call

        def call_still(*args: Any, training: bool | None = None, **kwargs: Any) -> Any:
            return call(*args, training=False, **kwargs)

        setattr(call_still, _REPLACED, vars(layer).get(_CALL))
        _set_call(layer, call_still)


@contextmanager
def stillness_kept(every: Iterable[layers.Layer]) -> Iterator[None]:
    """Restores, at the end of the context, whether each layer is in inference mode."""
    before = [(layer, is_still(layer)) for layer in every]
    try:
        yield
    finally:
        for layer, still in before:
            hold_still(layer, still)


@contextmanager
def calling(replaced: Iterable[tuple[layers.Layer, Callable[..., Any]]]) -> Iterator[None]:
    """Replaces the `call` of layers by other functions within the context, given as pairs (layer, function)."""
    before = []
    try:
        for layer, call in replaced:
            before.append((layer, vars(layer).get(_CALL)))
            _set_call(layer, call)
        yield
    finally:
        for layer, own in reversed(before):
            _set_call(layer, own)


def _set_call(layer: layers.Layer, call: Callable[..., Any] | None) -> None:
    """Sets a function that runs in place of the class's `call`; None removes it.

    It bypasses Keras' tracking of attributes.
    """
    if call is None:
        vars(layer).pop(_CALL, None)
    else:
        vars(layer)[_CALL] = call
