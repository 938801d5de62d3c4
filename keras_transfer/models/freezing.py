"""Freezing by stages: a frozen part gives the same output for the same input, in training too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
from keras import layers

from keras_transfer._arguments import Flag, takes
from keras_transfer._keras.still import hold_still, layers_inside, stillness_kept
from keras_transfer.models.stages import MODEL, layers_before, layers_by_part, stages
from keras_transfer.schedules.parts import HEAD, UNFROZEN, Unfrozen, open_parts


@takes(model=MODEL, unfrozen=UNFROZEN, train_batch_norm=Flag())
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
    backbone = set(map(id, layers_before(model, HEAD)))
    frozen = set(map(id, frozen_layers(model, unfrozen)))
    model.trainable = True  # an outer False would hide all that is opened below
    for layer in model.layers:
        is_frozen = id(layer) in frozen
        for part in layers_inside(layer):
            still_norm = isinstance(part, layers.BatchNormalization) and id(layer) in backbone and not train_batch_norm
            part.trainable = not (is_frozen or still_norm)
            hold_still(part, is_frozen)


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
    inside = [part for layer in model.layers for part in layers_inside(layer)]
    before = [(part, part.trainable) for part in inside]
    with stillness_kept(inside):
        set_trainable(model, unfrozen)
        try:
            yield
        finally:
            model.trainable = whole
            for part, trainable in before:
                part.trainable = trainable


@contextmanager
def everything_still(model: keras.Model, except_for: Iterable[layers.Layer]) -> Iterator[None]:
    """Makes all layers but some run as in inference while the model runs as in training."""
    moving = set(map(id, except_for))
    inside = [part for layer in model.layers for part in layers_inside(layer)]
    with stillness_kept(inside):
        for part in inside:
            hold_still(part, id(part) not in moving)
        yield


def frozen_layers(model: keras.Model, unfrozen: Unfrozen) -> list[layers.Layer]:
    """Returns the layers that `set_trainable(model, unfrozen)` freezes, input to output.

    Raises:
        InputError: if there is no such part.
    """
    opened = open_parts(stages(model), unfrozen)
    return [layer for part, inside in layers_by_part(model).items() if part not in opened for layer in inside]
