"""Freezing by stages: a frozen part gives the same output for the same input, in training too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers

from keras_transfer.models import layers_before, layers_by_part, stages
from keras_transfer.phases import HEAD, Unfrozen, open_parts


def set_trainable(model: keras.Model, unfrozen: Unfrozen, *, train_batch_norm: bool = False) -> None:
    """Opens parts of a model and freezes all others.

    A frozen layer keeps its weights and its BatchNorm statistics, and what is random in training (Dropout,
    stochastic depth) stays off. Call `compile` afterwards, as always when `trainable` changes; inside a running
    `fit` use `UnfreezeSchedule`. A model reloaded from a `.keras` file remembers `trainable`, but not that random
    layers are off: call `set_trainable` again before training on.

    Args:
        model: a model made by `build_model`.
        unfrozen: "head", "all", a stage name (open from it to the output), a number of last stages, or a tuple of
            exactly those parts that are open, stage names and "head".
        train_batch_norm: also train BatchNorm in open stages of the backbone. By default its weights and statistics
            stay as they were pretrained, which small batches and small data would spoil. BatchNorm in the head
            always trains.

    Raises:
        InputError: if there is no such part.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> set_trainable(model, "head")
        >>> len(model.trainable_variables)
        2
    """
    model.trainable = True  # an outer False would hide all that is opened below
    backbone = set(map(id, layers_before(model, HEAD)))
    frozen = set(map(id, frozen_layers(model, unfrozen)))
    for layer in model.layers:
        is_frozen = id(layer) in frozen
        for part in layer._flatten_layers():
            still_norm = isinstance(part, layers.BatchNormalization) and id(layer) in backbone and not train_batch_norm
            part.trainable = not (is_frozen or still_norm)
            _hold_still(part, is_frozen)


def restart_randomness(model: keras.Model, epoch: int) -> None:
    """Makes what is random in a model (Dropout, noise) depend on its seeds and the number of the epoch alone."""
    for state in random_states(model):  # a seed, and how often it was asked
        seed, _ = keras.ops.convert_to_numpy(state)
        state.assign([seed, epoch * 2**32])


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the state of a model's seed generators, which Keras does not save with its weights."""
    weights = set(map(id, model.weights))
    return [variable for variable in model.variables if id(variable) not in weights]


@contextmanager
def unfrozen_as(model: keras.Model, unfrozen: Unfrozen) -> Iterator[None]:
    """Opens parts as `set_trainable` does, and leaves the model as it was before."""
    whole = model.trainable
    before = [
        (part, part.trainable, "call" in part.__dict__) for layer in model.layers for part in layer._flatten_layers()
    ]
    set_trainable(model, unfrozen)
    try:
        yield
    finally:
        model.trainable = whole
        for part, trainable, still in before:
            part.trainable = trainable
            _hold_still(part, still)


@contextmanager
def everything_still(model: keras.Model, except_for: Iterable[layers.Layer]) -> Iterator[None]:
    """Makes all layers but some run as in inference while the model runs as in training."""
    moving = set(map(id, except_for))
    before = [(part, "call" in part.__dict__) for layer in model.layers for part in layer._flatten_layers()]
    for part, _ in before:
        _hold_still(part, id(part) not in moving)
    try:
        yield
    finally:
        for part, still in before:
            _hold_still(part, still)


def frozen_layers(model: keras.Model, unfrozen: Unfrozen) -> list[layers.Layer]:
    """Returns the layers that `set_trainable(model, unfrozen)` freezes, input to output.

    Raises:
        InputError: if there is no such part.
    """
    opened = open_parts(stages(model), unfrozen)
    return [layer for part, inside in layers_by_part(model).items() if part not in opened for layer in inside]


def _hold_still(layer: layers.Layer, still: bool) -> None:
    """Makes a layer's `call` run as in inference even while the model around it trains, or lets it go again.

    Keras has no switch for this: `trainable = False` does not reach Dropout, and `training=False` given when the
    model is built is overridden by `fit` (keras #20285). Replacing `call` on the one layer object leaves its config,
    and so the saved model, as Keras made it.
    """
    if not still:
        layer.__dict__.pop("call", None)
    elif layer._call_has_training_arg and "call" not in layer.__dict__:
        call = type(layer).call

        def call_still(*args: Any, training: bool | None = None, **kwargs: Any) -> Any:
            return call(layer, *args, training=False, **kwargs)

        object.__setattr__(layer, "call", call_still)
