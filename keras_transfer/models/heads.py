"""Heads: the layers from the vector `features` to one number for each class, before the activation.

A head is a function `(features, num_classes) -> logits` that uses Keras layers. Its attribute `gather`, if it has
one, makes `features` of the pooled vector, such as by adding what earlier stages give. Heads that are marked by
`of_maps` answer for every pixel and take feature maps in place of a vector; see `decoders`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from keras import KerasTensor, constraints, layers, regularizers

from keras_transfer._checks import unknown
from keras_transfer._registry import Registry
from keras_transfer.models.decoders import deeplabv3plus, fpn, linear_maps, of_maps, takes_maps, unet
from keras_transfer.models.stages import TAP, averaged, ends_of_stages

__all__ = [
    "cosine",
    "deeplabv3plus",
    "fpn",
    "linear",
    "linear_maps",
    "mlp",
    "multilayer",
    "of_maps",
    "takes_maps",
    "unet",
]

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


def _every_stage(pooled: KerasTensor) -> KerasTensor:
    """Puts the averages of what all stages but the last give before the pooled vector: `(batch, sum of channels)`."""
    *earlier, _ = ends_of_stages(pooled).items()
    taps = [averaged(end, TAP + name) for name, end in earlier]
    return layers.Concatenate(dtype="float32", name="every_stage")([*taps, pooled]) if taps else pooled


def multilayer(features: KerasTensor, num_classes: int) -> KerasTensor:
    """One dense layer on what all stages give, each averaged over all places.

    The paper finds it better than the last stage alone where pictures are far from the pretraining, and not elsewhere:
    compare both. Solve it (`schedule="solve"`), which scales the features: those of different stages differ in size.

    Evci, Dumoulin, Larochelle, Mozer, "Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning"
    (2022), section 3, https://arxiv.org/abs/2201.03529. Kept: a linear head on the pooled activations of the layers.
    Departures: the ends of stages in place of all layers; one average for each channel in place of several windows; a
    penalty that cross-validation chooses in place of the selection of features by group lasso; and each feature is
    scaled, in place of the layers' vectors being scaled to length 1.
    """
    return linear(features, num_classes)


multilayer.__dict__["gather"] = _every_stage
HEADS.register("multilayer")(multilayer)


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


for _decoder in (linear_maps, unet, fpn, deeplabv3plus):
    HEADS.register(_decoder.__name__)(cast(Any, _decoder))
