"""Poolings: from a feature map `(batch, height, width, channels)` to the vector named `features`.

A pooling is a function of a Keras tensor that uses Keras layers only, so that a saved model loads without this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import keras
from keras import KerasTensor, layers, ops

from keras_transfer._registry import Registry
from keras_transfer.models.stages import real_tokens
from keras_transfer.models.token_pooling import TOKEN_POOLINGS, TokenPooling

Pooling = Callable[[KerasTensor], KerasTensor]
POOLINGS: Registry[Pooling] = Registry("pooling", callable, "a function of a feature map")


@POOLINGS.register("avg")
def avg(feature_map: KerasTensor) -> KerasTensor:
    """Averages over all positions: `(batch, height, width, channels)` to `(batch, channels)`."""
    return layers.GlobalAveragePooling2D()(feature_map)


@POOLINGS.register("max")
def max_(feature_map: KerasTensor) -> KerasTensor:
    """Takes the maximum over all positions: `(batch, height, width, channels)` to `(batch, channels)`."""
    return layers.GlobalMaxPooling2D()(feature_map)


@POOLINGS.register("avg_max")
def avg_max(feature_map: KerasTensor) -> KerasTensor:
    """Concatenates average and maximum: `(batch, height, width, channels)` to `(batch, 2 * channels)`."""
    return layers.Concatenate()([avg(feature_map), max_(feature_map)])


@POOLINGS.register("gem")
def gem(feature_map: KerasTensor, power: float = 3.0) -> KerasTensor:
    """Generalised mean over all positions: `mean(x ** power) ** (1 / power)`.

    From `(batch, height, width, channels)` to `(batch, channels)`.

    Radenović, Tolias, Chum, "Fine-tuning CNN Image Retrieval with No Human Annotation" (2018), equation 3,
    https://arxiv.org/abs/1711.02512. Departure from the paper: `power` is not trained; it stays at the paper's
    starting value of 3. Features below 1e-6 are replaced by 1e-6.
    """
    features = ops.maximum(ops.cast(feature_map, "float32"), 1e-6)
    return ops.power(ops.mean(ops.power(features, power), axis=(1, 2)), 1 / power)


@POOLINGS.register("attention")
def attention(feature_map: KerasTensor, units: int = 128) -> KerasTensor:
    """Weighted average over all positions. A small network, trained with the head, computes the weights.

    Ilse, Tomczak, Welling, "Attention-based Deep Multiple Instance Learning" (2018), equations 7 and 8,
    https://arxiv.org/abs/1802.04712. From `(batch, height, width, channels)` to `(batch, channels)`.
    """
    places = layers.Reshape((-1, feature_map.shape[-1]))(feature_map)
    hidden = layers.Dense(units, activation="tanh", use_bias=False, name="attention_hidden")(places)
    scores = layers.Dense(1, use_bias=False, name="attention_score")(hidden)
    weights = layers.Softmax(axis=1, dtype="float32")(scores)
    return layers.Flatten()(layers.Dot(axes=1)([weights, places]))


@POOLINGS.register("flatten")
def flatten(feature_map: KerasTensor) -> KerasTensor:
    """Keeps every position: `(batch, height, width, channels)` to `(batch, height * width * channels)`."""
    return layers.Flatten()(feature_map)


def pool(
    output: KerasTensor,
    pooling: str | Pooling | TokenPooling | None,
    gather: Callable[[KerasTensor], KerasTensor] | None = None,
) -> KerasTensor:
    """Applies a pooling to a backbone's output, and names the result `features`; its dtype is that of the pooling.

    Args:
        output: a feature map `(batch, height, width, channels)`; the vectors of tokens `(batch, length, channels)`; or
            a vector `(batch, channels)`, which is not pooled.
        pooling: name of a pooling, or of a token pooling where there are tokens, or a function; None for the output as
            it is.
        gather: makes the features of the pooled vector; None where they are that vector.

    Raises:
        InputError: if the name is unknown.
    """
    if pooling is None:
        vector = output
    elif len(output.shape) == 3:
        vector = TOKEN_POOLINGS.find(cast(Any, pooling))(output, real_tokens(output))
    else:
        apply = POOLINGS.find(cast(Any, pooling))
        vector = output if len(output.shape) == 2 else apply(output)
    vector = gather(vector) if gather else vector
    return keras.layers.Identity(name="features", dtype=vector.dtype)(vector)
