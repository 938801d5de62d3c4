"""The optimizers inside an optimizer (loss scale, MultiOptimizer), their rates and steps, and copies without state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers import LossScaleOptimizer, MultiOptimizer, Optimizer

from keras_transfer._checks import InputError


def patterns(variables: Sequence[tuple[keras.layers.Layer, keras.Variable]]) -> list[str]:
    """Returns regular expressions for the paths of variables, each given with its layer of the model.

    Keras keeps the names of layers and variables in a saved model, but may name what lies between them anew.
    """
    found: dict[str, None] = {}
    for layer, variable in variables:
        inside = variable.path.startswith(f"{layer.name}/")
        name = f"{re.escape(layer.name)}/(.*/)?{re.escape(variable.name)}" if inside else re.escape(variable.path)
        found[name] = None
    return list(found)


def leaves(optimizer: Optimizer) -> list[Optimizer]:
    """Returns the optimizers that change weights: the one inside a loss scale, those of a MultiOptimizer."""
    inner = core(optimizer)
    return list(inner.optimizers) if isinstance(inner, MultiOptimizer) else [inner]


def core(optimizer: Optimizer) -> Optimizer:
    """Returns the optimizer inside a loss scale, or the optimizer itself."""
    return optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer


def has_rate_schedule(optimizer: Optimizer) -> bool:
    """Says whether the rate is a schedule object or a function, which Keras does not let us set."""
    return callable(optimizer._learning_rate)


def rate_schedule(optimizer: Optimizer) -> Any:
    """Returns the schedule object or function that gives the rate; None where the rate is a number."""
    return optimizer._learning_rate if has_rate_schedule(optimizer) else None


def rate_of(optimizer: Optimizer) -> float:
    """Returns the learning rate of now."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def set_rate_in_graph(optimizer: Optimizer, rate: Any) -> None:
    """Sets the learning rate to a tensor; may be called while a graph is made."""
    optimizer._learning_rate.assign(keras.ops.cast(rate, "float32"))


def remove_variable(optimizer: Optimizer, variable: keras.Variable) -> None:
    """Takes a variable that was added to an optimizer out of it again."""
    optimizer._untrack_variable(variable)


def steps_of(optimizer: Optimizer) -> int:
    """Returns the number of steps that an optimizer, or the one inside its loss scale, has made."""
    return int(keras.ops.convert_to_numpy(core(optimizer)._iterations))


def equal(optimizer: Optimizer, **changes: Any) -> Optimizer:
    """Makes an optimizer with the same settings and no state, with changes to its config.

    Raises:
        InputError: for a class of one's own whose settings cannot be read.
    """
    kind, rate = type(optimizer), optimizer._learning_rate
    own = not kind.__module__.startswith("keras.")
    if own and "__init__" in vars(kind) and "get_config" not in vars(kind):
        raise InputError(
            f"Expected an optimizer whose settings can be read. Received: {kind.__name__} without get_config."
        )
    if callable(rate):  # a schedule or function need not have a config: the object itself is shared
        vars(optimizer)["_learning_rate"] = 0.0
    try:
        config = optimizer.get_config()
    finally:
        vars(optimizer)["_learning_rate"] = rate
    made = kind.from_config({**config, **changes})
    if callable(rate) and "learning_rate" not in changes:
        made.learning_rate = rate
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):  # not in the config
        if hasattr(optimizer, name):
            setattr(made, name, getattr(optimizer, name))
    return made


def not_decayed(optimizer: Optimizer) -> list[str]:
    """Returns the patterns of names that `exclude_from_weight_decay` was told to leave alone, in a fixed order."""
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    return sorted(pattern.pattern.split("|")) if pattern else []  # Keras joins a set, which has no order


def scaled_like(optimizer: LossScaleOptimizer, inner: Optimizer) -> LossScaleOptimizer:
    """Scales the loss of another optimizer with the same settings and no state."""
    config = optimizer.get_config()
    return LossScaleOptimizer(
        inner, **{name: config[name] for name in ("initial_scale", "dynamic_growth_steps", "name")}
    )
