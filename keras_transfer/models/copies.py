"""Copies of models, with all that a model knows of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_transfer._keras.still import hold_still, is_still, layers_inside
from keras_transfer.models.backbones.copying import as_it_is, copy_network, own_weights
from keras_transfer.models.origins import TUNED_BY, classes_of, origin_of, remember, remember_classes, remember_range


def copy_model(
    model: keras.Model,
    call: Callable[..., Any] = as_it_is,
    fitted: Callable[[np.ndarray, tuple[int, ...]], np.ndarray] | None = None,
    configured: Callable[[Any], Any] | None = None,
    weights: Callable[[keras.layers.Layer], list[np.ndarray]] = own_weights,
) -> keras.Model:
    """Copies a model of `build_model` with its weights. What is frozen is frozen in the copy; it is not compiled.

    Args:
        model: with one input and one output.
        call: applies an operation of the copy; see `copy_network`.
        fitted: makes weights of a layer fit their copy.
        configured: returns the config of the copy of an operation from its own; see `copy_network`.
        weights: returns the weights of the copy of a layer.
    """
    images = keras.Input(model.input_shape[1:], name=model.input.name, dtype=model.input.dtype)
    copy = copy_network(model, images, call, fitted, configured, weights)
    copied = {layer.name: layer for layer in copy.layers}  # `call` may add operations, or leave some out
    pairs = [(layer, copied[layer.name]) for layer in model.layers if layer.name in copied]
    copy.trainable = model.trainable
    for pair in pairs:
        for layer, twin in zip(*map(layers_inside, pair), strict=True):
            twin.trainable = layer.trainable
            hold_still(twin, is_still(layer))
            if TUNED_BY in vars(layer):
                vars(twin)[TUNED_BY] = vars(layer)[TUNED_BY]
            if len(layer.weights) == len(twin.weights):
                for variable, other in zip(layer.weights, twin.weights, strict=True):
                    other.trainable = variable.trainable
    origin, names = origin_of(model), classes_of(model)
    if origin is not None:
        remember(copy, origin)
    if names is not None:
        remember_classes(copy, names)
    if hasattr(model, "pixel_range"):
        remember_range(copy, model.pixel_range)
    return copy
