"""Decoders: heads that answer for every pixel, from the feature maps of a backbone.

A decoder is a head `(maps, num_classes) -> logits` that is marked by `of_maps`. `maps` are those of `kt.pyramid`, by
their strides; the logits have the size of one of the maps, and are enlarged to that of the images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras
from keras import KerasTensor, layers

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import inputs_of, nodes
from keras_transfer.models.feature_maps import maps_of

Maps = Mapping[int, KerasTensor]
Decoder = Callable[[Maps, int], KerasTensor]
_Marked = TypeVar("_Marked", bound=Callable[..., KerasTensor])

_MOMENTUM = 0.9  # of the statistics of batches, which hold many pixels


def of_maps(head: _Marked) -> _Marked:
    """Marks a head `(maps, num_classes) -> logits` as one that takes feature maps by their strides, and returns it.

    Example:
        >>> @of_maps
        ... def coarse(maps, num_classes):
        ...     return layers.Conv2D(num_classes, 1)(maps[max(maps)])
        >>> takes_maps(coarse)
        True
    """
    head.__dict__["takes_maps"] = True
    return head


def takes_maps(head: Any) -> bool:
    """Says whether a head takes feature maps; a `functools.partial` does what its function does."""
    return getattr(head, "takes_maps", False) or getattr(getattr(head, "func", None), "takes_maps", False)


@of_maps
def linear_maps(maps: Maps, num_classes: int) -> KerasTensor:
    """Linear in the features of every stride from 4 on: one dense layer at each place, which sees all maps there.

    Each map has its own kernel and is enlarged after it: the same numbers as from a kernel after it, with less work.

    Hariharan, Arbeláez, Girshick, Malik, "Hypercolumns for Object Segmentation and Fine-grained Localization" (2015),
    section 3, https://arxiv.org/abs/1411.5752. Departure: one classifier for all places, in place of a grid of them.
    """
    strides = _from_stride(maps, 4)
    finest = strides[0]
    logits = [
        enlarged(_classes(maps[stride], num_classes, f"logits{stride}"), stride // finest, maps[finest])
        for stride in strides
    ]
    return layers.Add(dtype="float32", name="logits")(logits) if len(logits) > 1 else logits[0]


@of_maps
def unet(maps: Maps, num_classes: int, widths: Sequence[int] = (256, 128, 64, 32)) -> KerasTensor:
    """From coarse to fine: what is known so far is enlarged, put beside the next finer map, and convolved twice.

    Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (2015), figure 1,
    https://arxiv.org/abs/1505.04597. Departures: the backbone in place of the contracting path; linear enlarging in
    place of transposed convolutions; padding, so that no border is lost; separable convolutions; batch normalisation.
    For other widths pass `head=functools.partial(kt.heads.unet, widths=(128, 64))`.

    Args:
        maps: the feature maps, `(batch, height, width, channels)` by stride.
        num_classes: of the answers.
        widths: channels after each step, from coarse to fine; the last holds for all further steps.
    """
    *finer, coarsest = sorted(maps)
    x, stride = maps[coarsest], coarsest
    for step, next_stride in enumerate(reversed(finer)):
        width = widths[min(step, len(widths) - 1)]
        x = layers.Concatenate()([enlarged(x, stride // next_stride, maps[next_stride]), maps[next_stride]])
        x = _convolved(_convolved(x, width, f"unet{next_stride}_1"), width, f"unet{next_stride}_2")
        stride = next_stride
    return _classes(x, num_classes)


@of_maps
def fpn(maps: Maps, num_classes: int, width: int = 128) -> KerasTensor:
    """A pyramid of features that all know the coarse ones; its levels are convolved, enlarged and added.

    Lin and others, "Feature Pyramid Networks for Object Detection" (2017), section 3, https://arxiv.org/abs/1612.03144,
    and Kirillov, Girshick, He, Dollár, "Panoptic Feature Pyramid Networks" (2019), section 3.1,
    https://arxiv.org/abs/1901.02446. Departures: 128 channels everywhere; one convolution a level before the sum, in
    place of one for each enlarging by two; separable convolutions; batch normalisation in place of that of groups.

    Args:
        maps: the feature maps, `(batch, height, width, channels)` by stride; those from stride 4 on are used.
        num_classes: of the answers.
        width: channels of every level.
    """
    finest, *_ = strides = _from_stride(maps, 4)
    known, coarser, levels = None, 0, []
    for stride in reversed(strides):
        lateral = layers.Conv2D(width, 1, name=f"fpn{stride}_lateral")(maps[stride])
        if known is not None:
            lateral = layers.Add()([lateral, enlarged(known, coarser // stride, maps[stride])])
        known, coarser = lateral, stride
        levels.append(enlarged(_convolved(known, width, f"fpn{stride}"), stride // finest, maps[finest]))
    return _classes(layers.Add()(levels) if len(levels) > 1 else levels[0], num_classes)


@of_maps
def deeplabv3plus(
    maps: Maps, num_classes: int, width: int = 256, rates: Sequence[int] = (6, 12, 18), dropout: float = 0.1
) -> KerasTensor:
    """Looks around each place at several distances, and draws outlines with a fine map.

    Chen, Zhu, Papandreou, Schroff, Adam, "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation" (2018), sections 3.1 and 3.2, https://arxiv.org/abs/1802.02611. Departure: the backbone keeps its
    strides, so that it stays what it was pretrained to be. The coarsest map is enlarged to stride 16 and put beside the
    map there, in place of a last stage whose convolutions are dilated.

    Args:
        maps: the feature maps, `(batch, height, width, channels)` by stride.
        num_classes: of the answers.
        width: channels of the decoder.
        rates: dilation of the convolutions that look around, in cells of the map at stride 16.
        dropout: share of values that are set to zero in training before the last layer, in [0, 1).
    """
    fine, *_ = strides = _from_stride(maps, 4)
    coarse = min(strides, key=lambda stride: abs(stride - 16))
    x = maps[coarse]
    if strides[-1] > coarse:
        reduced = _convolved(maps[strides[-1]], width, "context", size=1)
        x = layers.Concatenate()([x, enlarged(reduced, strides[-1] // coarse, x)])
    looks = [_convolved(x, width, "look1", size=1)]
    looks += [_convolved(x, width, f"look{rate}", dilation=rate) for rate in rates]
    everything = layers.GlobalAveragePooling2D(keepdims=True)(x)
    everything = layers.Conv2D(width, 1, activation="relu", name="look_everywhere")(everything)
    looks.append(layers.UpSampling2D(tuple(x.shape[1:3]))(everything))
    x = _convolved(layers.Concatenate()(looks), width, "looks", size=1)
    outlines = _convolved(maps[fine], max(width // 5, 8), "outlines", size=1)
    x = layers.Concatenate()([enlarged(x, coarse // fine, outlines), outlines])
    x = _convolved(_convolved(x, width, "drawn1"), width, "drawn2")
    return _classes(layers.Dropout(dropout)(x), num_classes)


def pixel_logits(feature_map: KerasTensor, decoder: Decoder, num_classes: int) -> KerasTensor:
    """Returns what a decoder gives for the maps that a backbone's output is computed from.

    Args:
        feature_map: the output of the backbone.
        decoder: marked by `of_maps`.
        num_classes: of the answers.

    Returns:
        `(batch, height, width, num_classes)`, of the size of the images.

    Raises:
        InputError: if the network has no feature maps, images are too small or of any size; or if the decoder gives the
            size of none of the maps or another number of classes, or leaves out the coarsest map.
    """
    (images,) = inputs_of(feature_map)
    maps = maps_of(feature_map)
    if tuple(feature_map.shape[1:3]) == (1, 1):
        raise InputError(
            "Expected images so large that the last feature map has two rows or columns, or more, for a head for every "
            f"pixel. Received: images {images.shape[1:3]}, of which one value is left. Take larger ones."
        )
    logits = decoder(maps, num_classes)
    fitting = [stride for stride, values in maps.items() if tuple(values.shape[1:3]) == tuple(logits.shape[1:3])]
    if len(logits.shape) != 4 or logits.shape[-1] != num_classes or not fitting:
        sizes = ", ".join(str(tuple(values.shape[1:3])) for values in maps.values())
        raise InputError(
            f"Expected a head that returns (batch, height, width, {num_classes}), of the size of one of the maps: "
            f"{sizes}. Received: shape {logits.shape}."
        )
    if feature_map is not images and not _uses(logits, feature_map):
        raise InputError(
            f"Expected a head that uses the coarsest map, of stride {max(maps)}. Received: one that leaves it out. Cut "
            "the network after the layer that is wanted: kt.Backbone(keras.Model(network.input, layer.output), ...)."
        )
    return enlarged(logits, min(fitting), (images.shape[1], images.shape[2]))


def enlarged(tensor: KerasTensor, factor: int, like: KerasTensor | tuple[int, int]) -> KerasTensor:
    """Returns a map with `factor` times as many rows and columns, linearly between its values, cut to a size.

    Args:
        tensor: `(batch, height, width, channels)`.
        factor: how many rows and columns take the place of one.
        like: a map of the size that is wanted, or (height, width).
    """
    height, width = like if isinstance(like, tuple) else like.shape[1:3]
    if factor > 1:
        tensor = layers.UpSampling2D(factor, interpolation="bilinear")(tensor)
    over = tensor.shape[1] - height, tensor.shape[2] - width
    return layers.Cropping2D(((0, over[0]), (0, over[1])))(tensor) if any(over) else tensor


def _uses(logits: KerasTensor, feature_map: KerasTensor) -> bool:
    needed = (tensor for node in nodes(keras.Model(inputs_of(logits), logits)) for tensor in node.output_tensors)
    return any(tensor is feature_map for tensor in needed)


def _from_stride(maps: Maps, first: int) -> list[int]:
    """Returns the strides from `first` on, from fine to coarse; all where there is none."""
    return sorted(stride for stride in maps if stride >= first) or sorted(maps)


def _convolved(x: KerasTensor, width: int, name: str, size: int = 3, dilation: int = 1) -> KerasTensor:
    """A convolution, batch normalisation and ReLU; of 3 by 3 and more it is separable."""
    if size == 1:
        x = layers.Conv2D(width, 1, use_bias=False, name=name)(x)
    else:
        x = layers.SeparableConv2D(width, size, padding="same", dilation_rate=dilation, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _classes(x: KerasTensor, num_classes: int, name: str = "logits") -> KerasTensor:
    """One dense layer at each place, with weights that start at zero: all classes are equally likely at first."""
    return layers.Conv2D(num_classes, 1, kernel_initializer="zeros", dtype="float32", name=name)(x)
