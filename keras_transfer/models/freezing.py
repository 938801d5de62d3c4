"""Freezing by stages: a frozen part gives the same output for the same input, even during training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import keras
from keras import layers

from keras_transfer._arguments import Flag, Number, takes
from keras_transfer._keras.still import hold_still, layers_inside, stillness_kept
from keras_transfer.models.stages import MODEL, layers_before, layers_by_part, stages
from keras_transfer.models.tuning.tuning import ADDED, Tuning, tuning_of
from keras_transfer.schedules.parts import HEAD, UNFROZEN, Unfrozen, open_parts

_OWN = "_momentum_of_its_own"  # attribute of a BatchNorm layer whose momentum was set
BATCH_NORM = Flag() | Number(0, 0.9999, above=True)


@takes(model=MODEL, unfrozen=UNFROZEN, train_batch_norm=BATCH_NORM)
def set_trainable(model: keras.Model, unfrozen: Unfrozen, *, train_batch_norm: bool | float = False) -> None:
    """Makes some parts of a model trainable ("open") and freezes all others.

    A frozen layer keeps its weights and its BatchNorm statistics. In training it runs as in inference, so Dropout and
    stochastic depth have no effect in it. Call `compile` afterwards, as always when `trainable` changes; during `fit`
    use `UnfreezeSchedule`. A model reloaded from a `.keras` file keeps `trainable`, but its frozen random layers are
    active again in training: call `set_trainable` again before you continue to train it. In a model with a tuning (see
    `tuned`) only what the tuning trains is opened, and BatchNorm layers of the backbone keep their statistics in any
    case.

    Args:
        model: a model made by `build_model`.
        unfrozen: the parts to open: "head"; "all"; a stage name, for this stage and all parts after it; a number, for
            so many last stages and the head; or a tuple of stage names and "head", for exactly these parts.
        train_batch_norm: whether BatchNorm layers in open stages of the backbone train too. By default they keep their
            pretrained weights and statistics, which small batches or few images would make worse. BatchNorm in an
            open head always trains. A number in (0, 1) is the share of their statistics that they keep in each step,
            their momentum: those of Keras' networks keep 0.99 or 0.999, so that some hundred steps on pictures of
            another kind, such as spectrograms, leave the statistics of photographs; 0.9 lets them go.

    Raises:
        InputError: if the model has no such part.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> set_trainable(model, "head")
        >>> len(model.trainable_variables)
        2
    """
    backbone = set(map(id, layers_before(model, HEAD)))
    frozen = set(map(id, frozen_layers(model, unfrozen)))
    model.trainable = True  # a False here would override the layers
    tuning = tuning_of(model)
    for layer in model.layers:
        is_frozen = id(layer) in frozen
        for part in layers_inside(layer):
            still_norm = isinstance(part, layers.BatchNormalization) and id(layer) in backbone and not train_batch_norm
            if tuning is not None and id(layer) in backbone and not is_frozen:
                _open_little(part, tuning, still=not part.name.startswith(ADDED))
            else:
                part.trainable = not (is_frozen or still_norm)
                if isinstance(part, layers.BatchNormalization) and id(layer) in backbone:
                    _set_momentum(part, None if isinstance(train_batch_norm, bool) else train_batch_norm)
                hold_still(part, is_frozen)


def _set_momentum(norm: layers.BatchNormalization, momentum: float | None) -> None:
    """Gives an open layer a momentum; None, or a layer that is still, has its own again."""
    own = getattr(norm, _OWN, None)
    if momentum is not None and norm.trainable:
        setattr(norm, _OWN, norm.momentum if own is None else own)
        norm.momentum = momentum
    elif own is not None:
        norm.momentum = own


def _open_little(layer: layers.Layer, tuning: Tuning, *, still: bool) -> None:
    """Opens what a tuning trains of a layer; all else of the network is frozen."""
    layer.trainable = True
    tuning.revive(layer)
    opened = set(map(id, tuning.opened(layer)))
    inside = {id(variable) for inner in layers_inside(layer)[1:] for variable in inner.weights}
    for variable in layer.weights:
        if id(variable) not in inside:
            variable.trainable = id(variable) in opened
    hold_still(layer, still)


def restart_randomness(model: keras.Model, epoch: int) -> None:
    """Resets the random layers of a model (Dropout, noise), so that they depend only on their seeds and on `epoch`."""
    for state in random_states(model):  # (seed, number of draws)
        seed, _ = keras.ops.convert_to_numpy(state)
        state.assign([seed, epoch * 2**32])


def random_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the state variables of a model's seed generators. Keras does not save them with the weights."""
    weights = set(map(id, model.weights))
    return [variable for variable in model.variables if id(variable) not in weights]


@contextmanager
def unfrozen_as(model: keras.Model, unfrozen: Unfrozen) -> Iterator[None]:
    """Opens parts as in `set_trainable` within the context, and restores the model at its end."""
    model_trainable = model.trainable
    inside = [part for layer in model.layers for part in layers_inside(layer)]
    before = [(part, part.trainable) for part in inside]
    opened = [(variable, variable.trainable) for variable in model.variables]
    with stillness_kept(inside):
        set_trainable(model, unfrozen)
        try:
            yield
        finally:
            model.trainable = model_trainable
            for part, trainable in (*before, *opened):
                part.trainable = trainable


@contextmanager
def everything_still(model: keras.Model, except_for: Iterable[layers.Layer]) -> Iterator[None]:
    """Makes all layers except some run as in inference within the context, also when the model runs in training mode.

    Args:
        model: the model.
        except_for: the layers that run in the mode of the model.
    """
    moving = set(map(id, except_for))
    inside = [part for layer in model.layers for part in layers_inside(layer)]
    with stillness_kept(inside):
        for part in inside:
            hold_still(part, id(part) not in moving)
        yield


def frozen_layers(model: keras.Model, unfrozen: Unfrozen) -> list[layers.Layer]:
    """Returns the layers that `set_trainable(model, unfrozen)` freezes, from input to output.

    Raises:
        InputError: if the model has no such part.
    """
    opened = open_parts(stages(model), unfrozen)
    return [layer for part, inside in layers_by_part(model).items() if part not in opened for layer in inside]
