"""Variables that join and leave an optimizer while it runs, each with a clock of its own.

Keras builds an optimizer once for a list of variables and counts one number of steps for all. `fit_optimizer` makes
the optimizer of a model fit a new list; `open_variables` tells a running one which variables take part and how many
steps each has made, so that one that joins late starts like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops
from keras.optimizers import LossScaleOptimizer, MultiOptimizer, Optimizer, OptimizerMap, RMSprop

from keras_transfer._checks import InputError
from keras_transfer.optimizers import core, equal, leaves, patterns, steps_of

PROGRESS = "_unfreeze_progress"  # where an optimizer that runs under a schedule keeps how far it has come
BY_STAGE = "_made_for_phases"  # marks a MultiOptimizer that the phases of a schedule asked for
_WHOLE = "_before_open_variables"
_CLOCKS = "_clocks_of_late_joiners"


def fit_optimizer(model: keras.Model) -> None:
    """Gives the optimizer of a compiled model state for exactly the variables that are trainable now.

    Keras can neither extend an optimizer nor save it with more or fewer variables than are trainable. One that was
    built for others is replaced by an equal one; what both have is carried over: moments, averages, accumulated
    gradients, the number of steps, the learning rate and the loss scale.
    """
    variables = model.trainable_variables
    with model.distribute_strategy.scope():
        old = model.optimizer
        ran = PROGRESS in vars(old) or any(_WHOLE in vars(leaf) for leaf in leaves(old))
        if not steps_of(old):
            _start_averages(old)
        if _keys(old) == {old._var_key(variable) for variable in variables} and not ran:
            return
        if not old.built:
            old.build(variables)
            _start_averages(old)
            return
        new, pairs = _equal_optimizer(old, model)
        new.build(variables)
        _start_averages(new)
        for before, after in pairs:
            _carry_over(before, after)
        replace_optimizer(model, new)


def fresh_optimizer(optimizer: Optimizer, model: keras.Model) -> Optimizer:
    """Makes an optimizer with the same settings and no state, which shares nothing with the given one."""
    return _equal_optimizer(optimizer, model)[0]


def split_optimizer(model: keras.Model, parts: Optimizer) -> None:
    """Puts a MultiOptimizer in place of the one optimizer of a model, whose state goes on in it."""
    old, variables = model.optimizer, model.trainable_variables
    parts.build(variables)
    for leaf in leaves(parts):
        _carry_over(core(old), leaf)
    if core(old) is not old:
        _carry_over(old, parts)
    core(parts)._iterations.assign(core(old)._iterations)
    vars(core(parts))[BY_STAGE] = True
    replace_optimizer(model, parts)


def replace_optimizer(model: keras.Model, optimizer: Optimizer) -> None:
    """Gives a compiled model another optimizer; loss and metrics stay."""
    model.optimizer = optimizer
    model._compile_config.config["optimizer"] = optimizer  # from which a saved model is compiled again
    model.train_function = None  # it was traced with the optimizer that is gone


def knows_all(optimizer: Optimizer, variables: Sequence[keras.Variable]) -> bool:
    """Says whether an optimizer was built for these variables, and maybe others."""
    return bool(variables) and {optimizer._var_key(variable) for variable in variables} <= _keys(optimizer)


def whole(optimizer: Optimizer) -> list[keras.Variable]:
    """Returns all variables that an optimizer was built for, also those that take no part now."""
    if not optimizer.built:
        return []
    return vars(optimizer).get(_WHOLE, vars(optimizer))["_trainable_variables"]


def _keys(optimizer: Optimizer) -> set[Any]:
    return {optimizer._var_key(variable) for variable in whole(core(optimizer))}


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
    if isinstance(core(optimizer), MultiOptimizer):  # it wants a gradient for each of its variables
        _restore(core(optimizer))
        places = core(optimizer)._trainable_variables_indices
        keys = set(map(optimizer._var_key, variables))
        vars(core(optimizer))[_WHOLE] = {
            "_trainable_variables": core(optimizer)._trainable_variables,
            "_trainable_variables_indices": places,
        }
        vars(core(optimizer))["_trainable_variables_indices"] = {key: places[key] for key in places if key in keys}
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


def _start_averages(optimizer: Optimizer) -> None:
    """Starts averages of weights from the weights: Keras starts them from 0 and mends that in its first step alone."""
    for leaf in leaves(optimizer):
        if leaf.use_ema and leaf.built:
            for variable, average in zip(whole(leaf), leaf._model_variables_moving_average, strict=True):
                average.assign(variable)


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


def _equal_optimizer(optimizer: Optimizer, model: keras.Model) -> tuple[Optimizer, list[tuple[Optimizer, Optimizer]]]:
    """Returns an equal optimizer without state, and with whom it and those inside it are paired."""
    if isinstance(optimizer, LossScaleOptimizer):
        inner, pairs = _equal_optimizer(optimizer.inner_optimizer, model)
        config = {name: optimizer.get_config()[name] for name in ("initial_scale", "dynamic_growth_steps", "name")}
        scaled = LossScaleOptimizer(inner, **config)
        return scaled, [(optimizer, scaled), *pairs]
    if not isinstance(optimizer, MultiOptimizer):
        made = equal(optimizer)
        return made, [(optimizer, made)]
    known = getattr(optimizer, "_var_to_optimizer_idx", {})
    select = optimizer._optimizer_map
    if isinstance(select, OptimizerMap):
        made_of = {id(leaf): equal(leaf) for leaf in (*select.values(), select.default_optimizer)}
        chosen = {id(leaf): leaf for leaf in (*select.values(), select.default_optimizer)}
        keys = {key: made_of[id(leaf)] for key, leaf in select.items()}
        default = made_of[id(select.default_optimizer)]
        idle = set(chosen) - {id(select(variable)) for variable in model.weights} - {id(select.default_optimizer)}
        if idle:
            raise InputError(
                "Expected a MultiOptimizer each of whose optimizers has variables of this model. Received: "
                f"{sorted(chosen[key].name for key in idle)} without any. Was it made for another model?"
            )
    else:  # a function, which may make a new optimizer with every call: keep what it gave
        chosen, made_of = {}, {}
        members: dict[int, list[tuple[keras.layers.Layer, keras.Variable]]] = {}
        for layer in model.layers:
            for variable in layer.weights:
                place = known.get(optimizer._var_key(variable))
                leaf = select(variable) if place is None else optimizer.optimizers[place]
                if id(leaf) not in chosen:
                    chosen[id(leaf)], made_of[id(leaf)], members[id(leaf)] = leaf, equal(leaf), []
                members[id(leaf)].append((layer, variable))
        *others, last = chosen
        keys, default = {"|".join(patterns(members[key])): made_of[key] for key in others}, made_of[last]
    made = MultiOptimizer(OptimizerMap(default, keys))
    made.name, made.loss_scale_factor = optimizer.name, optimizer.loss_scale_factor
    if BY_STAGE in vars(optimizer):
        vars(made)[BY_STAGE] = True
    return made, [(optimizer, made), *((chosen[key], made_of[key]) for key in chosen)]


def _carry_over(old: Optimizer, new: Optimizer) -> None:
    """Copies state: variables by the attribute that holds them, slots of variables by attribute and variable."""
    _restore(old)
    _settle(old)
    theirs, ours = old._trainable_variables_indices, new._trainable_variables_indices
    if old.built and not set(theirs) & set(ours):
        return  # it trained another model
    for name, value in list(vars(old).items()):
        made = vars(new).get(name)
        if isinstance(value, keras.Variable) and isinstance(made, keras.Variable):
            made.assign(value)
            continue
        if name in ("_variables", "_trainable_variables") or not isinstance(value, list) or not isinstance(made, list):
            continue
        if len(value) == len(theirs) and len(made) == len(ours):
            for key in set(theirs) & set(ours):
                if isinstance(value[theirs[key]], keras.Variable):
                    made[ours[key]].assign(value[theirs[key]])


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
                whole = 1.0 if isinstance(optimizer, RMSprop) else 1 - decay**steps
                slots[place].assign(slots[place] * (whole / (1 - decay**own)))
