"""Held-still layers: a layer runs as in inference even while the model around it trains.

Keras has no switch for this: `trainable = False` does not reach Dropout, and `training=False` given when the model is
built is overridden by `fit` (keras #20285). So `call` is replaced on the one layer object, which leaves its config, and
with it the saved model, as Keras made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from keras import layers

_CALL = "call"
_REPLACED = "_replaced_by_hold_still"  # on our function: what stood on the layer object before


def layers_inside(layer: layers.Layer) -> list[layers.Layer]:
    """Returns a layer or model and all layers inside it, at every depth."""
    return list(layer._flatten_layers())


def is_still(layer: layers.Layer) -> bool:
    """Says whether `hold_still` is in force for a layer."""
    return hasattr(vars(layer).get(_CALL), _REPLACED)


def hold_still(layer: layers.Layer, still: bool) -> None:
    """Makes a layer run as in inference even while the model around it trains, or lets it go again."""
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
    """Lets layers be held still or let go within the context, and leaves each as it was before."""
    before = [(layer, is_still(layer)) for layer in every]
    try:
        yield
    finally:
        for layer, still in before:
            hold_still(layer, still)


@contextmanager
def calling(replaced: Iterable[tuple[layers.Layer, Callable[..., Any]]]) -> Iterator[None]:
    """Calls other functions in place of layers, within the context."""
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
    """Sets what runs in place of the class's `call`, past Keras' tracking of attributes; None for nothing."""
    if call is None:
        vars(layer).pop(_CALL, None)
    else:
        vars(layer)[_CALL] = call
