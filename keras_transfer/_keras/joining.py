"""Variables that an optimizer starts or stops to train while it runs, each with its own step count.

Keras builds an optimizer once for a list of variables, and counts steps once for all of them. `open_variables` sets
which of the variables the optimizer trains now, and the step count of each. A variable that starts late is then treated
like one at the start of training. `close_variables` undoes this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops
from keras.optimizers import MultiOptimizer, Optimizer, RMSprop

from keras_transfer._keras.leaves import inner_optimizer, leaves, steps_of

_WHOLE = "_before_open_variables"
_CLOCKS = "_clocks_of_late_joiners"


def all_variables(optimizer: Optimizer) -> list[keras.Variable]:
    """Returns all variables that an optimizer was built for, including those it does not train now."""
    if not optimizer.built:
        return []
    return vars(optimizer).get(_WHOLE, vars(optimizer))["_trainable_variables"]


def open_variables(optimizer: Optimizer, late: Mapping[int, int], variables: Sequence[keras.Variable]) -> None:
    """Sets which variables an optimizer trains from now on, and which of them start late.

    Moving averages of weights (`use_ema`) are updated for these variables alone. The steps of a late variable are
    counted from the step at which it started. Adam and similar optimizers then correct the bias of its new moments as
    at the start of training. Without this correction its updates could exceed six times the learning rate. Keras'
    RMSprop has no bias correction; for late variables it gets that of Adam's second moment: Kingma and Ba, "Adam: A
    Method for Stochastic Optimization" (2015), section 3, https://arxiv.org/abs/1412.6980.

    The train function must be traced again afterwards.

    Args:
        optimizer: built for `variables`, and possibly for others.
        late: maps the id of each late variable to the number of steps, above 0, that the optimizer made before the
            variable started.
        variables: the variables that are trainable now.
    """
    steps = steps_of(optimizer)
    if isinstance(inner_optimizer(optimizer), MultiOptimizer):  # it needs a gradient for each of its variables
        _restore(inner_optimizer(optimizer))
        places = inner_optimizer(optimizer)._trainable_variables_indices
        keys = set(map(optimizer._var_key, variables))
        vars(inner_optimizer(optimizer))[_WHOLE] = {
            "_trainable_variables": inner_optimizer(optimizer)._trainable_variables,
            "_trainable_variables_indices": places,
        }
        vars(inner_optimizer(optimizer))["_trainable_variables_indices"] = {
            key: places[key] for key in places if key in keys
        }
    for leaf in leaves(optimizer):
        _restore(leaf)
        if not leaf.built:
            continue
        leaf._iterations.assign(steps)  # a MultiOptimizer counts only the steps of optimizers that had work
        known = leaf._trainable_variables
        index = {leaf._var_key(variable): place for place, variable in enumerate(known)}
        chosen = [index[key] for key in map(leaf._var_key, variables) if key in index]
        attributes: dict[str, Any] = {_WHOLE: {"_trainable_variables": known}}
        attributes["_trainable_variables"] = [known[place] for place in chosen]
        if leaf.use_ema:
            averages = leaf._model_variables_moving_average
            attributes[_WHOLE]["_model_variables_moving_average"] = averages
            attributes["_model_variables_moving_average"] = [averages[place] for place in chosen]
        clocks = {leaf._var_key(known[place]): late[id(known[place])] for place in chosen if id(known[place]) in late}
        if clocks:
            attributes["update_step"] = _update_by_clock(leaf, clocks)
        attributes[_CLOCKS] = vars(leaf).get(_CLOCKS, {}) | clocks
        vars(leaf).update(attributes)  # bypasses Keras' tracking: these are views, not state


def has_open_variables(optimizer: Optimizer) -> bool:
    """Returns whether `open_variables` was called and `close_variables` was not called since."""
    return any(_WHOLE in vars(leaf) for leaf in leaves(optimizer))


def close_variables(leaf: Optimizer) -> None:
    """Undoes `open_variables` for one optimizer.

    It trains all its variables again, and moments are scaled to the total step count.
    """
    _restore(leaf)
    _settle(leaf)


def _restore(leaf: Optimizer) -> None:
    vars(leaf).update(vars(leaf).pop(_WHOLE, {}))
    vars(leaf).pop("update_step", None)


def _update_by_clock(optimizer: Optimizer, clocks: Mapping[Any, int]) -> Callable[..., None]:
    """Returns an `update_step` for the optimizer that uses the step count of each late variable."""
    update_step = type(optimizer).update_step

    def update_by_clock(gradient: Any, variable: Any, learning_rate: Any) -> None:
        late_by = clocks.get(optimizer._var_key(variable), 0)
        if not late_by:
            update_step(optimizer, gradient, variable, learning_rate)
            return
        with _counting_from(optimizer, late_by):
            if isinstance(optimizer, RMSprop):
                learning_rate = learning_rate * _second_moment_correction(optimizer)
            update_step(optimizer, gradient, variable, learning_rate)

    return update_by_clock


@contextmanager
def _counting_from(optimizer: Optimizer, step: int) -> Iterator[None]:
    steps = optimizer._iterations
    vars(optimizer)["_iterations"] = ops.subtract(steps, step)
    try:
        yield
    finally:
        vars(optimizer)["_iterations"] = steps


def _second_moment_correction(optimizer: RMSprop) -> Any:
    share = 1 - ops.power(optimizer.rho, ops.cast(optimizer.iterations + 1, "float32"))
    return share if optimizer.centered else ops.sqrt(share)  # a centred moment is even smaller at the start


def _settle(optimizer: Optimizer) -> None:
    """Scales the moments of late variables to the total step count, the only one that Keras stores.

    For a variable trained in k of the T steps, Adam divides a moment with decay b by 1 - b**k. From now on it will
    divide by 1 - b**T. Multiplying the moment by (1 - b**T) / (1 - b**k) keeps the size of the updates.
    """
    steps = int(ops.convert_to_numpy(optimizer._iterations)) // (optimizer.gradient_accumulation_steps or 1)
    moments = {"_momentums": "beta_1", "_velocities": "beta_2", "_velocity_hats": "beta_2"}
    if isinstance(optimizer, RMSprop):
        moments = {"_velocities": "rho"}
    for key, late_by in vars(optimizer).pop(_CLOCKS, {}).items():
        own = steps - late_by // (optimizer.gradient_accumulation_steps or 1)
        place = optimizer._trainable_variables_indices.get(key)
        for name, rate in moments.items():
            slots, decay = vars(optimizer).get(name), getattr(optimizer, rate, None)
            if own > 0 and place is not None and slots and isinstance(decay, float):
                expected = 1.0 if isinstance(optimizer, RMSprop) else 1 - decay**steps
                slots[place].assign(slots[place] * (expected / (1 - decay**own)))
