"""Heads: the layers from the vector `features` to one number for each class, before the activation.

A head is a function `(features, num_classes) -> logits` that uses Keras layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras import KerasTensor, constraints, layers, regularizers

from keras_transfer._checks import unknown
from keras_transfer._registry import Registry

Head = Callable[[KerasTensor, int], KerasTensor]
HEADS: Registry[Head] = Registry("head", callable, "a function (features, num_classes) -> logits")


@HEADS.register("linear")
def linear(features: KerasTensor, num_classes: int) -> KerasTensor:
    """One dense layer with weights that start at zero: `(batch, channels)` to `(batch, num_classes)`.

    All classes are equally likely at first. With few images and epochs, random starting weights would leave noise in
    the trained head. On real photographs they lowered the accuracy by one or two percentage points, and caused most of
    the variation between seeds.
    """
    return layers.Dense(num_classes, kernel_initializer="zeros", dtype="float32", name="logits")(features)


@HEADS.register("mlp")
def mlp(
    features: KerasTensor,
    num_classes: int,
    units: Sequence[int] = (256,),
    dropout: float = 0.3,
    normalization: str | None = "batch",
    l2: float = 0.0,
) -> KerasTensor:
    """Hidden layers with ReLU before the dense layer: `(batch, channels)` to `(batch, num_classes)`.

    For other values than the defaults pass `head=functools.partial(kt.heads.mlp, units=(512, 128), l2=1e-4)`.

    Args:
        features: the pooled vector, `(batch, channels)`.
        num_classes: number of outputs for each image.
        units: width of each hidden layer.
        dropout: share of hidden values that are set to zero in training, in [0, 1).
        normalization: normalisation before each ReLU: "batch", "layer" or None.
        l2: factor of the L2 penalty on all kernels.

    Raises:
        InputError: if `normalization` is unknown.
    """
    normalizations = {"batch": layers.BatchNormalization, "layer": layers.LayerNormalization}
    if normalization is not None and normalization not in normalizations:
        raise unknown("normalization", normalization, list(normalizations))
    penalty = regularizers.L2(l2) if l2 else None
    hidden = features
    for index, width in enumerate(units, start=1):
        hidden = layers.Dense(width, kernel_regularizer=penalty, name=f"hidden{index}")(hidden)
        if normalization is not None:
            hidden = normalizations[normalization](name=f"hidden{index}_norm")(hidden)
        hidden = layers.Activation("relu", name=f"hidden{index}_relu")(hidden)
        hidden = layers.Dropout(dropout, name=f"hidden{index}_dropout")(hidden)
    logits = layers.Dense(
        num_classes, kernel_initializer="zeros", kernel_regularizer=penalty, dtype="float32", name="logits"
    )
    return logits(hidden)


@HEADS.register("cosine")
def cosine(features: KerasTensor, num_classes: int, scale: float = 16.0) -> KerasTensor:
    """The cosine between `features` and a trained unit vector for each class, times `scale`.

    From `(batch, channels)` to `(batch, num_classes)`.

    Chen et al., "A Closer Look at Few-shot Classification" (2019), section 3.2,
    https://arxiv.org/abs/1904.04232. Departure from the paper: `scale` is fixed, not trained.
    """
    unit = constraints.UnitNorm(axis=0)
    classes = layers.Dense(num_classes, use_bias=False, kernel_constraint=unit, dtype="float32", name="cosine")
    direction = layers.UnitNormalization(dtype="float32", name="unit_features")(features)
    cosines = classes(direction)
    classes.kernel.assign(unit(classes.kernel))  # Keras applies a constraint only after the first update
    return layers.Rescaling(scale, dtype="float32", name="logits")(cosines)
