"""The optimizers inside an optimizer: their learning rates and step counts, and copies without state.

A LossScaleOptimizer holds one inner optimizer, a MultiOptimizer holds several.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers import LossScaleOptimizer, MultiOptimizer, Optimizer, OptimizerMap

from keras_transfer._checks import InputError


def patterns(variables: Sequence[tuple[keras.layers.Layer, keras.Variable]]) -> list[str]:
    """Returns regular expressions that match the paths of variables.

    Each variable is given with the layer of the model that holds it. A saved model keeps the names of layers and
    variables, but the parts of a path between them may change on reloading; the expressions allow for that.
    """
    found: dict[str, None] = {}
    for layer, variable in variables:
        inside = variable.path.startswith(f"{layer.name}/")
        name = f"{re.escape(layer.name)}/(.*/)?{re.escape(variable.name)}" if inside else re.escape(variable.path)
        found[name] = None
    return list(found)


def leaves(optimizer: Optimizer) -> list[Optimizer]:
    """Returns the optimizers that update weights, without the LossScaleOptimizer or MultiOptimizer around them."""
    inner = inner_optimizer(optimizer)
    return list(inner.optimizers) if isinstance(inner, MultiOptimizer) else [inner]


def leaf_of(optimizer: Optimizer, variable: keras.Variable) -> Optimizer:
    """Returns the optimizer that updates a variable, or would update it if it were trainable."""
    inner = inner_optimizer(optimizer)
    if not isinstance(inner, MultiOptimizer):
        return inner
    place = getattr(inner, "_var_to_optimizer_idx", {}).get(inner._var_key(variable))
    if place is not None:
        return inner.optimizers[place]
    select = inner._optimizer_map
    # do not call a function again: it may make a new optimizer that is never used
    return inner.optimizers[-1] if inner.built and not isinstance(select, OptimizerMap) else select(variable)


def inner_optimizer(optimizer: Optimizer) -> Optimizer:
    """Returns the optimizer inside a LossScaleOptimizer; any other optimizer is returned as it is."""
    return optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer


def has_rate_schedule(optimizer: Optimizer) -> bool:
    """Returns whether the learning rate is a schedule object or a function, so that Keras does not allow to set it."""
    return callable(optimizer._learning_rate)


def rate_schedule(optimizer: Optimizer) -> Any:
    """Returns the schedule object or function of the learning rate, or None if the rate is a number."""
    return optimizer._learning_rate if has_rate_schedule(optimizer) else None


def rate_of(optimizer: Optimizer) -> float:
    """Returns the current learning rate."""
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def set_rate_in_graph(optimizer: Optimizer, rate: Any) -> None:
    """Sets the learning rate to a tensor. May be called inside a `tf.function`."""
    optimizer._learning_rate.assign(keras.ops.cast(rate, "float32"))


def remove_variable(optimizer: Optimizer, variable: keras.Variable) -> None:
    """Removes a variable that was added to an optimizer with `add_variable`."""
    optimizer._untrack_variable(variable)


def steps_of(optimizer: Optimizer) -> int:
    """Returns the number of steps that an optimizer (the inner one, for a LossScaleOptimizer) has made."""
    return int(keras.ops.convert_to_numpy(inner_optimizer(optimizer)._iterations))


def without_state(optimizer: Optimizer, **changes: Any) -> Optimizer:
    """Makes an optimizer with the same settings and no state.

    Args:
        optimizer: the optimizer to copy.
        **changes: entries of its config to replace, such as `learning_rate`.

    Raises:
        InputError: if the optimizer's class is not Keras' own and has an `__init__` but no `get_config`.
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
    """Wraps `inner` in a new LossScaleOptimizer with the settings of `optimizer` and no state."""
    config = optimizer.get_config()
    return LossScaleOptimizer(
        inner, **{name: config[name] for name in ("initial_scale", "dynamic_growth_steps", "name")}
    )
