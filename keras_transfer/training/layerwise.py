"""layerwise: a learning rate for each stage, with Keras' MultiOptimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras.optimizers import LossScaleOptimizer, MultiOptimizer, Optimizer, OptimizerMap
from keras.optimizers.schedules import LearningRateSchedule

from keras_transfer._arguments import Flag, Number, takes
from keras_transfer._checks import InputError
from keras_transfer._keras.leaves import patterns, rate_of, rate_schedule, scaled_like, without_state
from keras_transfer.models.stages import MODEL, layers_by_part, stages
from keras_transfer.schedules.parts import rate_factor
from keras_transfer.training.options import OPTIMIZER

# the learning rates in the configs of Keras' schedules
_RATES = ("initial_learning_rate", "end_learning_rate", "warmup_target", "values")


@takes(optimizer=OPTIMIZER, model=MODEL, decay=Number(0, 1, above=True), exclude_norm_and_bias=Flag())
def layerwise(
    optimizer: str | Optimizer, model: keras.Model, decay: float, *, exclude_norm_and_bias: bool = False
) -> Optimizer:
    """Makes an optimizer whose learning rate decreases with each stage away from the head.

    The learning rate of the head is that of `optimizer`. The last stage has this rate times `decay`, the one before it
    this rate times `decay**2`, and so on. Weight decay decreases likewise, because Keras multiplies it by the learning
    rate. The result is a Keras MultiOptimizer with one optimizer of the same settings for each stage. It is saved and
    loaded with the model. Keras' LearningRateScheduler and ReduceLROnPlateau change each of its learning rates.

    Discriminative fine-tuning of Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification"
    (2018), section 3.2, equation 2, https://arxiv.org/abs/1801.06146. Departure: stages instead of layers.

    Args:
        optimizer: name or object. Its learning rate, a number or a schedule of Keras, is that of the head.
        model: a model made by `build_model`.
        decay: factor of the learning rate for each stage, in (0, 1].
        exclude_norm_and_bias: whether to exclude normalisation layers and biases (all variables with fewer than two
            axes) from weight decay.

    Returns:
        An optimizer to `compile` this model with.

    Raises:
        InputError: if `decay` is out of range, the optimizer is a MultiOptimizer or clips by a global norm (Keras would
            clip each stage by its own norm), or its learning rate cannot be scaled.

    Example:
        >>> from keras_transfer import build_model
        >>> model = build_model("MobileNet", 2, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> optimizer = layerwise("adam", model, 0.5)
        >>> [f"{float(part.learning_rate):.3g}" for part in optimizer.optimizers[-2:]]
        ['0.0005', '0.001']
    """
    optimizer = keras.optimizers.get(optimizer)
    if isinstance(optimizer, LossScaleOptimizer):
        parts = layerwise(optimizer.inner_optimizer, model, decay, exclude_norm_and_bias=exclude_norm_and_bias)
        return scaled_like(optimizer, parts)
    if isinstance(optimizer, MultiOptimizer):
        raise InputError("Expected one optimizer, which layerwise gives to each stage. Received: a MultiOptimizer.")
    if optimizer.global_clipnorm:
        raise InputError(
            "Expected `clipnorm` or `clipvalue`: in a MultiOptimizer Keras would clip each stage by its own norm. "
            f"Received: global_clipnorm={optimizer.global_clipnorm}."
        )
    names = stages(model)
    groups: list[tuple[Optimizer, list[str]]] = []
    for part, layers in layers_by_part(model).items():  # the head comes last: its optimizer is the default
        factor = rate_factor(decay, names, part)
        settings = {"learning_rate": _scaled(optimizer, factor), "name": f"{optimizer.name}_{part}"}
        variables = [(layer, variable) for layer in layers for variable in layer.weights]
        excluded = [pair for pair in variables if exclude_norm_and_bias and len(pair[1].shape) < 2]
        if excluded:
            other = settings | {"weight_decay": 0.0, "name": f"{optimizer.name}_{part}_no_decay"}
            groups.append((without_state(optimizer, **other), patterns(excluded)))
            taken = {id(variable) for _, variable in excluded}
            variables = [pair for pair in variables if id(pair[1]) not in taken]
        groups.append((without_state(optimizer, **settings), patterns(variables)))
    made = MultiOptimizer(OptimizerMap(groups[-1][0], {"|".join(found): leaf for leaf, found in groups[:-1] if found}))
    made.loss_scale_factor = optimizer.loss_scale_factor
    return made


def _scaled(optimizer: Optimizer, factor: float) -> float | LearningRateSchedule:
    rate = rate_schedule(optimizer)
    if rate is None:
        return rate_of(optimizer) * factor
    config: Mapping[str, Any] = rate.get_config() if isinstance(rate, LearningRateSchedule) else {}
    given = {name: config[name] for name in _RATES if config.get(name) is not None}
    changed = keras.tree.map_structure(lambda number: number * factor, given)
    if not changed:
        raise InputError(
            "Expected a learning rate that is a number or a schedule of keras.optimizers.schedules. "
            f"Received: {rate!r}."
        )
    return type(rate).from_config({**config, **changed})
