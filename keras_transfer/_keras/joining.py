"""Variables that join and leave an optimizer while it runs, each with a clock of its own.

Keras builds an optimizer once for a list of variables and counts one number of steps for all. `open_variables` tells a
running one which variables take part and how many steps each has made, so that one that joins late starts like any
other; `close_variables` ends that.
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
    """Returns all variables that an optimizer was built for, also those that take no part now."""
    if not optimizer.built:
        return []
    return vars(optimizer).get(_WHOLE, vars(optimizer))["_trainable_variables"]


def open_variables(optimizer: Optimizer, late: Mapping[int, int], variables: Sequence[keras.Variable]) -> None:
    """Tells an optimizer which of its variables take part from now on, and which of them came late.

    Averages of weights (`use_ema`) are kept for these variables alone. For a variable that came late, steps are
    counted from the one it joined at, so that Adam and its kin correct the bias of its fresh moments as they do at
    the start of training: without this its steps would grow to more than six times the learning rate. RMSprop corrects
    no bias, and gets the correction of Adam's second moment: Kingma and Ba, "Adam: A Method for Stochastic
    Optimization" (2015), section 3, https://arxiv.org/abs/1412.6980.

    Args:
        optimizer: built for `variables` and maybe others.
        late: number of steps the optimizer had made without a variable, by the variable's id, where it is above 0.
        variables: those that are trainable now.

    The train function must be traced again afterwards.
    """
    steps = steps_of(optimizer)
    if isinstance(inner_optimizer(optimizer), MultiOptimizer):  # it wants a gradient for each of its variables
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
        vars(leaf).update(attributes)  # past Keras' tracking: these are views, not state


def has_open_variables(optimizer: Optimizer) -> bool:
    """Says whether `open_variables` is in force."""
    return any(_WHOLE in vars(leaf) for leaf in leaves(optimizer))


def close_variables(leaf: Optimizer) -> None:
    """Ends what `open_variables` began: all variables take part, and moments fit the count of all steps."""
    _restore(leaf)
    _settle(leaf)


def _restore(leaf: Optimizer) -> None:
    vars(leaf).update(vars(leaf).pop(_WHOLE, {}))
    vars(leaf).pop("update_step", None)


def _update_by_clock(optimizer: Optimizer, clocks: Mapping[Any, int]) -> Callable[..., None]:
    """Returns the optimizer's `update_step`, in which variables that came late have their own number of steps."""
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
    return share if optimizer.centered else ops.sqrt(share)  # a centred moment is smaller still at the start


def _settle(optimizer: Optimizer) -> None:
    """Makes the moments of late joiners fit the count of all steps, which is the only one Keras keeps.

    After k of the T steps a moment m with rate b is corrected by 1 - b**k. Times (1 - b**T) / (1 - b**k) it is what the
    correction for all T steps expects, so that training goes on with steps of the same size.
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
