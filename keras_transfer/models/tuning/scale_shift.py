"""ScaleShift: each channel behind a convolution or a normalisation is scaled and shifted (SSF)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers

from keras_transfer._keras.graph import nodes
from keras_transfer.models.tuning.tuning import ADDED, TUNINGS, Tuning

_NORMS = (layers.BatchNormalization, layers.LayerNormalization)
_LINEAR = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
_SCALE, _ACTIVATION = f"{ADDED}scale_of_", f"{ADDED}activation_of_"


@TUNINGS.register("scale_shift")
class ScaleShift(Tuning):
    """Trains `gamma · x + beta` for each channel behind a normalisation, convolution or dense layer; all else stays.

    Lian, Zhou, Feng and Wang, "Scaling & Shifting Your Features: A New Baseline for Efficient Model Tuning" (2022),
    equation 2, https://arxiv.org/abs/2210.08823. gamma is 1 and beta 0 at first. A layer that a normalisation follows
    is left out: the scale and shift stand behind that. Layers inside others, as in the blocks of transformers, are not
    reached. Folded, they are part of the layer's own weights (equation 4).
    """

    name = "scale_shift"

    def call(self, operation: keras.Operation, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        output, before = operation(*args, **kwargs), _layer(model, operation.name)
        if before is None or not _is_scaled(before, model):
            return output
        output = _scaled(output, operation)
        if not _is_linear(before):
            named = {"dtype": operation.dtype_policy, "name": _ACTIVATION + operation.name}
            output = layers.Activation(before.activation, **named)(output)
        return output

    def configured(self, config: Any, model: keras.Model) -> Any:
        layer = _layer(model, config.get("name"))
        if layer is None or not _is_scaled(layer, model) or _is_linear(layer):
            return config
        return {**config, "activation": "linear"}

    def plain_call(self, operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        return args[0] if operation.name.startswith(ADDED) else operation(*args, **kwargs)

    def plain_config(self, config: Any, model: keras.Model) -> Any:
        layer = _layer(model, config.get("name"))
        if layer is None or _scale_of(layer, model) is None:
            return config
        if isinstance(layer, _NORMS):
            return {**config, "scale": True, "center": True}
        following = _layer(model, _ACTIVATION + layer.name)
        activation = {} if following is None else {"activation": following.get_config()["activation"]}
        return {**config, "use_bias": True, **activation}

    def plain_weights(self, layer: layers.Layer, model: keras.Model) -> list[np.ndarray]:
        scale = _scale_of(layer, model)
        if scale is None:
            return layer.get_weights()
        gamma, beta = (values.reshape(-1) for values in scale.get_weights())
        if isinstance(layer, _NORMS):
            first = np.asarray(layer.gamma) if layer.scale else np.ones_like(gamma)
            shift = np.asarray(layer.beta) if layer.center else np.zeros_like(beta)
            statistics = layer.get_weights()[layer.scale + layer.center :]  # of BatchNorm: mean and variance
            return [first * gamma, shift * gamma + beta, *statistics]
        kernel, *bias = layer.get_weights()
        depthwise = isinstance(layer, layers.DepthwiseConv2D)
        return [
            kernel * (gamma.reshape(kernel.shape[-2:]) if depthwise else gamma),
            (bias[0] if bias else 0.0) * gamma + beta,
        ]


def _scaled(output: KerasTensor, operation: keras.Operation) -> KerasTensor:
    """Scales and shifts the channels, by a layer of Keras whose kernel and bias are gamma and beta."""
    options = {"name": _SCALE + operation.name, "dtype": operation.dtype_policy}
    if len(output.shape) == 4:
        return layers.DepthwiseConv2D(1, depthwise_initializer="ones", **options)(output)
    places = "bc" if len(output.shape) == 2 else "btc"
    options |= {"bias_axes": "c", "kernel_initializer": "ones"}
    return layers.EinsumDense(f"{places},c->{places}", output.shape[1:], **options)(output)


def _is_scaled(layer: layers.Layer, model: keras.Model) -> bool:
    """Says whether a layer of the network is scaled, by what it is and what follows it."""
    if not isinstance(layer, (*_NORMS, *_LINEAR)) or sum(node.operation is layer for node in nodes(model)) != 1:
        return False
    rank = len(layer.output.shape)
    if isinstance(layer, _NORMS):
        axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
        return rank in (2, 3, 4) and axes in ([-1], [rank - 1])
    if type(layer) not in _LINEAR or rank not in (2, 3, 4):
        return False
    following = _consumers(model, layer.name)
    return not (following and all(isinstance(each, _NORMS) for each in following))


def _is_linear(layer: layers.Layer) -> bool:
    return isinstance(layer, _NORMS) or layer.activation is keras.activations.linear


def _layer(model: keras.Model, name: Any) -> layers.Layer | None:
    return next((layer for layer in model.layers if layer.name == name), None)


def _scale_of(layer: layers.Layer, model: keras.Model) -> layers.Layer | None:
    return _layer(model, _SCALE + layer.name)


def _consumers(model: keras.Model, name: str) -> list[keras.Operation]:
    """Returns the operations that take what a layer gives."""
    made = {id(tensor) for node in nodes(model) if node.operation.name == name for tensor in node.output_tensors}
    return [node.operation for node in nodes(model) if any(id(tensor) in made for tensor in node.input_tensors)]
