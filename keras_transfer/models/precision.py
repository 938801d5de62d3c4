"""Precision: a model that was trained in half precision, to run in float32."""

from __future__ import annotations

from typing import Any

import keras

from keras_transfer._keras.still import layers_inside
from keras_transfer.models.backbones.copying import as_it_is, copy_network

_HALF = {"float16", "bfloat16"}


def in_float32(model: keras.Model) -> keras.Model:
    """Returns a functional model that computes in float32, with the same weights.

    It is the model itself where no layer computes in half precision.
    """
    if not any(layer.compute_dtype in _HALF for layer in layers_inside(model)):
        return model
    images = keras.Input(
        model.input_shape[1:],
        name=model.input.name,
        dtype=model.input.dtype if "int" in model.input.dtype else "float32",
    )
    return copy_network(model, images, as_it_is, configured=_config_in_float32)


def _config_in_float32(config: Any) -> Any:
    """Replaces the policies of half precision in the config of a layer, at every depth."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32"
        return {name: _config_in_float32(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(map(_config_in_float32, config))
    return "float32" if config in ("mixed_float16", "mixed_bfloat16", *_HALF) else config
