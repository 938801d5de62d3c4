"""Token poolings: from one vector for each token `(batch, length, width)` to the vector named `features`.

A pooling is a function of a Keras tensor and the mask of real tokens, int32 `(batch, length)`, or None where all are
real. It uses Keras layers only, so that a saved model loads without this package. Padding never changes its answer.
"""

from __future__ import annotations

from collections.abc import Callable

from keras import KerasTensor, layers, ops

from keras_transfer._registry import Registry

TokenPooling = Callable[[KerasTensor, KerasTensor | None], KerasTensor]
TOKEN_POOLINGS: Registry[TokenPooling] = Registry(
    "token pooling", callable, "a function of the tokens' vectors and of the mask of real tokens"
)
_LOW = -1e9


@TOKEN_POOLINGS.register("avg")
def avg(tokens: KerasTensor, real: KerasTensor | None = None) -> KerasTensor:
    """Averages over the real tokens: `(batch, length, width)` to `(batch, width)`."""
    if real is None:
        return layers.GlobalAveragePooling1D()(tokens)
    return layers.GlobalAveragePooling1D()(tokens, mask=real)


@TOKEN_POOLINGS.register("max")
def max_(tokens: KerasTensor, real: KerasTensor | None = None) -> KerasTensor:
    """Takes the maximum over the real tokens: `(batch, length, width)` to `(batch, width)`."""
    if real is not None:
        tokens = tokens + (1 - ops.cast(ops.expand_dims(real, -1), tokens.dtype)) * ops.cast(_LOW, tokens.dtype)
    return layers.GlobalMaxPooling1D()(tokens)


@TOKEN_POOLINGS.register("cls")
def cls(tokens: KerasTensor, real: KerasTensor | None = None) -> KerasTensor:
    """Takes the vector of the first token, which stands for the whole in BERT and ViT: to `(batch, width)`.

    Devlin and others, "BERT" (2019), section 3, https://arxiv.org/abs/1810.04805.
    """
    return tokens[:, 0]


@TOKEN_POOLINGS.register("last")
def last(tokens: KerasTensor, real: KerasTensor | None = None) -> KerasTensor:
    """Takes the vector of the last real token, the only one that has seen all others in GPT-2: to `(batch, width)`.

    Radford and others, "Improving Language Understanding by Generative Pre-Training" (2018), section 3.2.
    """
    if real is None:
        return tokens[:, -1]
    following = ops.pad(real[:, 1:], ((0, 0), (0, 1)))
    only = ops.cast(ops.expand_dims(real * (1 - following), -1), tokens.dtype)  # 1 for the last real token
    return ops.sum(tokens * only, axis=1)


@TOKEN_POOLINGS.register("attention")
def attention(tokens: KerasTensor, real: KerasTensor | None = None, units: int = 128) -> KerasTensor:
    """Weighted average over the real tokens. A small network, trained with the head, computes the weights.

    Ilse, Tomczak, Welling, "Attention-based Deep Multiple Instance Learning" (2018), equations 7 and 8,
    https://arxiv.org/abs/1802.04712. From `(batch, length, width)` to `(batch, width)`.
    """
    hidden = layers.Dense(units, activation="tanh", use_bias=False, name="attention_hidden")(tokens)
    scores = layers.Dense(1, use_bias=False, dtype="float32", name="attention_score")(hidden)
    if real is not None:
        scores = scores + (1 - ops.cast(ops.expand_dims(real, -1), "float32")) * _LOW
    weights = layers.Softmax(axis=1, dtype="float32")(scores)
    return layers.Flatten()(layers.Dot(axes=1)([weights, tokens]))
