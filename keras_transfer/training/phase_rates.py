"""Sets the learning rate of a phase in each optimizer inside a model's optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
from keras.optimizers import Optimizer

from keras_transfer._checks import InputError
from keras_transfer._keras.joining import all_variables
from keras_transfer._keras.leaves import has_rate_schedule, inner_optimizer, leaves, rate_of
from keras_transfer._keras.refitting import BY_STAGE
from keras_transfer.schedules.parts import HEAD, rate_factor
from keras_transfer.schedules.phases import Phase
from keras_transfer.schedules.rates import Rate

Variables = Mapping[str, Sequence[keras.Variable]]


class RatesInProportion:
    """Sets the learning rates of all optimizers inside an optimizer, in constant ratios to that of the head.

    Rates that are schedule objects are not changed; if the head's is one, none is.

    Args:
        optimizer: the optimizer of the model.
        variables: the variables of each part of the model, by its name, from input to output.
    """

    def __init__(self, optimizer: Optimizer, variables: Variables):
        every = leaves(optimizer)
        of_head = next((leaf for leaf in every if HEAD in _parts(leaf, variables)), every[0])
        settable = [] if has_rate_schedule(of_head) else [leaf for leaf in every if not has_rate_schedule(leaf)]
        same_rate = (
            len(every) == 1 or BY_STAGE in vars(inner_optimizer(optimizer)) or not settable or rate_of(of_head) == 0
        )
        self._ratios = [(leaf, 1.0 if same_rate else rate_of(leaf) / rate_of(of_head)) for leaf in settable]

    def set(self, phase: Phase, rate: float) -> None:
        """Sets the learning rate of the head to `rate`, and the others in proportion. `phase` is not used."""
        for leaf, ratio in self._ratios:
            if ratio:
                leaf.learning_rate = rate * ratio


class RatesByStage:
    """Sets the learning rates of a MultiOptimizer with one optimizer for each part, by a phase's `layer_decay`.

    Args:
        optimizer: the optimizer of the model, as `layerwise` makes it.
        variables: the variables of each part of the model, by its name, from input to output.

    Raises:
        InputError: if one optimizer updates several parts.
    """

    def __init__(self, optimizer: Optimizer, variables: Variables):
        *self._stages, _ = variables
        self._leaves = [(leaf, _only_part(leaf, variables)) for leaf in leaves(optimizer)]

    def set(self, phase: Phase, rate: float) -> None:
        """Sets the learning rate of the head to `rate`, and those of the stages by the phase's `layer_decay`."""
        for leaf, part in self._leaves:
            leaf.learning_rate = rate * rate_factor(phase.layer_decay, self._stages, part)


def check_settable(optimizer: Optimizer, rate: Rate | None) -> None:
    """Raises InputError if a learning rate is a schedule object, or if `rate` is None so that phases may not set it."""
    if rate is None or any(map(has_rate_schedule, leaves(optimizer))):
        raise InputError(
            "Expected a learning rate that is a number, and `rate` not None, with phases whose layer_decay is "
            f"below 1. Received: {type(optimizer).__name__}, rate={rate!r}. For a schedule object of Keras "
            "use layerwise(optimizer, model, decay) and phases without layer_decay."
        )


def _only_part(leaf: Optimizer, variables: Variables) -> str:
    found = _parts(leaf, variables)
    if len(found) > 1:
        raise InputError(
            "Expected an optimizer for each stage (see layerwise) with phases whose layer_decay is below 1. "
            f"Received: a MultiOptimizer with one for {found}."
        )
    return found[0] if found else HEAD


def _parts(leaf: Optimizer, variables: Variables) -> list[str]:
    """Returns the names of the parts whose variables an optimizer updates."""
    own = {id(variable) for variable in all_variables(leaf)}
    return [part for part, members in variables.items() if own & set(map(id, members))]
