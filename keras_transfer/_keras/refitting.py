"""Replaces the optimizer of a model, so that it has state for exactly the variables that are trainable now.

Keras builds an optimizer once for a list of variables. It can neither extend it nor save it with more or fewer
variables than are trainable. Here an optimizer with the same settings replaces it, and takes over the state of the
variables that both have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers import LossScaleOptimizer, MultiOptimizer, Optimizer, OptimizerMap

from keras_transfer._checks import InputError
from keras_transfer._keras.joining import all_variables, close_variables, has_open_variables
from keras_transfer._keras.leaves import inner_optimizer, leaves, patterns, scaled_like, steps_of, without_state
from keras_transfer._keras.trainer import replace_optimizer

PROGRESS = "_unfreeze_progress"  # the attribute of an optimizer that holds the Progress of a running schedule
BY_STAGE = "_made_for_phases"  # marks a MultiOptimizer that was made because a phase has layer_decay below 1


def fit_optimizer(model: keras.Model) -> None:
    """Makes the optimizer of a compiled model have state for exactly the variables that are trainable now.

    Keras can neither extend an optimizer nor save it with more or fewer variables than are trainable. An optimizer
    that was built for other variables is replaced by one with the same settings. The state that both have is copied:
    moments, averages, accumulated gradients, the step count, the learning rate and the loss scale.
    """
    variables = model.trainable_variables
    with model.distribute_strategy.scope():
        old = model.optimizer
        ran = PROGRESS in vars(old) or has_open_variables(old)
        if not steps_of(old):
            start_averages(old)
        if _keys(old) == {old._var_key(variable) for variable in variables} and not ran:
            return
        if not old.built:
            old.build(variables)
            start_averages(old)
            return
        new, pairs = _copy_without_state(old, model)
        new.build(variables)
        start_averages(new)
        for before, after in pairs:
            _carry_over(before, after)
        replace_optimizer(model, new)


def new_optimizer(optimizer: Optimizer, model: keras.Model) -> Optimizer:
    """Makes an optimizer with the same settings and no state. It shares no variables with the given one."""
    return _copy_without_state(optimizer, model)[0]


def split_optimizer(model: keras.Model, parts: Optimizer) -> None:
    """Replaces the single optimizer of a model by a MultiOptimizer, which takes over its state."""
    old, variables = model.optimizer, model.trainable_variables
    parts.build(variables)
    for leaf in leaves(parts):
        _carry_over(inner_optimizer(old), leaf)
    if inner_optimizer(old) is not old:
        _carry_over(old, parts)
    inner_optimizer(parts)._iterations.assign(inner_optimizer(old)._iterations)
    vars(inner_optimizer(parts))[BY_STAGE] = True
    replace_optimizer(model, parts)


def was_built_for(optimizer: Optimizer, variables: Sequence[keras.Variable]) -> bool:
    """Returns whether an optimizer was built for all of these variables. It may have been built for others too."""
    return bool(variables) and {optimizer._var_key(variable) for variable in variables} <= _keys(optimizer)


def variables_by_leaf(optimizer: Optimizer) -> list[list[str]]:
    """Returns, for each of the `leaves` of an optimizer that is not built, patterns of the paths of its variables.

    Those of one that takes all others, or all, are empty.
    """
    inner = inner_optimizer(optimizer)
    chosen = getattr(inner, "_optimizer_map", {})  # MultiOptimizer's
    return [[pattern for pattern, each in chosen.items() if each is leaf] for leaf in leaves(optimizer)]


def _keys(optimizer: Optimizer) -> set[Any]:
    return {optimizer._var_key(variable) for variable in all_variables(inner_optimizer(optimizer))}


def start_averages(optimizer: Optimizer) -> None:
    """Sets the moving averages of the weights that are open to these weights.

    Keras starts them at 0, and replaces that value only in its first step.
    """
    for leaf in leaves(optimizer):
        if leaf.use_ema and leaf.built:
            for variable, average in zip(leaf._trainable_variables, leaf._model_variables_moving_average, strict=True):
                average.assign(variable)


def _copy_without_state(
    optimizer: Optimizer, model: keras.Model
) -> tuple[Optimizer, list[tuple[Optimizer, Optimizer]]]:
    """Returns a copy of an optimizer without state, and pairs (old, new) of it and of each optimizer inside it."""
    if isinstance(optimizer, LossScaleOptimizer):
        inner, pairs = _copy_without_state(optimizer.inner_optimizer, model)
        scaled = scaled_like(optimizer, inner)
        return scaled, [(optimizer, scaled), *pairs]
    if not isinstance(optimizer, MultiOptimizer):
        made = without_state(optimizer)
        return made, [(optimizer, made)]
    known = getattr(optimizer, "_var_to_optimizer_idx", {})
    select = optimizer._optimizer_map
    if isinstance(select, OptimizerMap):
        made_of = {id(leaf): without_state(leaf) for leaf in (*select.values(), select.default_optimizer)}
        chosen = {id(leaf): leaf for leaf in (*select.values(), select.default_optimizer)}
        keys = {key: made_of[id(leaf)] for key, leaf in select.items()}
        default = made_of[id(select.default_optimizer)]
        idle = set(chosen) - {id(select(variable)) for variable in model.weights} - {id(select.default_optimizer)}
        if idle:
            raise InputError(
                "Expected a MultiOptimizer in which each optimizer has variables of this model. Received: "
                f"{sorted(chosen[key].name for key in idle)} without variables. Was it made for another model?"
            )
    else:  # a function may make a new optimizer in every call: keep the first results
        chosen, made_of = {}, {}
        members: dict[int, list[tuple[keras.layers.Layer, keras.Variable]]] = {}
        for layer in model.layers:
            for variable in layer.weights:
                place = known.get(optimizer._var_key(variable))
                leaf = select(variable) if place is None else optimizer.optimizers[place]
                if id(leaf) not in chosen:
                    chosen[id(leaf)], made_of[id(leaf)], members[id(leaf)] = leaf, without_state(leaf), []
                members[id(leaf)].append((layer, variable))
        *others, last = chosen
        keys, default = {"|".join(patterns(members[key])): made_of[key] for key in others}, made_of[last]
    made = MultiOptimizer(OptimizerMap(default, keys))
    made.name, made.loss_scale_factor = optimizer.name, optimizer.loss_scale_factor
    if BY_STAGE in vars(optimizer):
        vars(made)[BY_STAGE] = True
    return made, [(optimizer, made), *((chosen[key], made_of[key]) for key in chosen)]


def _carry_over(old: Optimizer, new: Optimizer) -> None:
    """Copies the state of one optimizer to another.

    Single variables are matched by attribute name, lists of slots by attribute name and model variable.
    """
    close_variables(old)
    theirs, ours = old._trainable_variables_indices, new._trainable_variables_indices
    if old.built and not set(theirs) & set(ours):
        return  # the old optimizer trained another model
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
