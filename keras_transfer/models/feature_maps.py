"""Feature maps of a network at several strides, each in line with the image.

A value of a map speaks of a place in the image. Where that place is depends on the padding of every layer before it:
the last map of MobileNetV2 lies half a cell below and to the right of the cells that its stride cuts the image into,
and the first value of Inception's lies several pixels inside. Maps are moved into line, so that a decoder may lay them
on top of each other.
"""

from __future__ import annotations

import math
from collections import defaultdict

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import inputs_of, nodes
from keras_transfer.models.geometry import Grid, Grids, grids_of

STRIDES = (2, 4, 8, 16, 32)
_NO_END = (layers.ZeroPadding2D, layers.Cropping2D, layers.Dropout, layers.SpatialDropout2D, layers.GaussianNoise)
_MERGING = (layers.Add, layers.Concatenate, layers.Average, layers.Maximum)


def maps_of(end: KerasTensor) -> dict[int, KerasTensor]:
    """Returns the feature maps that a tensor is computed from, by their strides, each in line with the image.

    Of each stride it is the last map that everything after it is computed from; where there is none, as in NASNet,
    whose cells take what two cells before them give, it is the last one where branches meet.

    Args:
        end: the output of a backbone, `(batch, height, width, channels)`, for images of a fixed size.

    Returns:
        Maps `(batch, ceil(height / stride), ceil(width / stride), channels)` for those strides of 2, 4, 8, 16 and 32
        that the network has. The value at row `i` speaks of the `stride` rows of pixels from `i * stride` on.

    Raises:
        InputError: if there is no feature map, or images of any size are taken.
    """
    (images,) = inputs_of(end)
    if len(end.shape) != 4 or len(images.shape) != 4 or None in images.shape[1:3]:
        raise InputError(
            "Expected a network of images of a fixed size that returns a feature map (batch, height, width, channels). "
            f"Received: images {images.shape}, output {end.shape}."
        )
    network = keras.Model(images, end)
    found = _last_of_each_stride(network)
    height, width = images.shape[1:3]
    return {
        stride: moved(tensor, grids, (Grid.regular(height, stride), Grid.regular(width, stride)))
        for stride, (tensor, grids) in found.items()
    }


def moved(tensor: KerasTensor, grids: Grids, wanted: Grids) -> KerasTensor:
    """Returns a feature map at other places, linearly between its values; beyond its border, the values at the border.

    Args:
        tensor: `(batch, height, width, channels)`.
        grids: where its values lie, along height and width.
        wanted: where those that are returned lie.
    """
    for axis, (grid, other) in enumerate(zip(grids, wanted, strict=True), start=1):
        if other == grid:
            continue
        places = (other.first - grid.first + other.stride * np.arange(other.size)) / grid.stride
        places = np.clip(places, 0, grid.size - 1)
        before = np.floor(places).astype("int32")
        share = (places - before).astype("float32").reshape((-1, 1, 1) if axis == 1 else (-1, 1))
        taken = ops.take(tensor, before, axis=axis)
        if share.any():
            after = ops.take(tensor, np.minimum(before + 1, grid.size - 1), axis=axis)
            taken = taken + (after - taken) * ops.cast(share, tensor.dtype)
        tensor = taken
    return tensor


def _last_of_each_stride(network: keras.Model) -> dict[int, tuple[KerasTensor, Grids]]:
    grids, needed = grids_of(network), _needed_by_all(network)
    certain: dict[int, tuple[KerasTensor, Grids]] = {}
    merged: dict[int, tuple[KerasTensor, Grids]] = {}
    for node in nodes(network):
        if node.is_input or isinstance(node.operation, _NO_END):
            continue
        for tensor in node.output_tensors:
            if id(tensor) not in grids:
                continue
            stride = 2 ** round(math.log2(grids[id(tensor)][0].stride))
            if id(tensor) in needed:
                certain[stride] = tensor, grids[id(tensor)]
            elif isinstance(node.operation, _MERGING):
                merged[stride] = tensor, grids[id(tensor)]
    found = merged | certain
    return {stride: found[stride] for stride in STRIDES if stride in found}


def _needed_by_all(network: keras.Model) -> set[int]:
    """Returns the `id`s of the tensors that every way from the input to the output passes."""
    before, after = _ways_to(network), _ways_from(network)
    every = before[id(network.outputs[0])]
    return {key for key, count in before.items() if count * after.get(key, 0) == every}


def _ways_to(network: keras.Model) -> dict[int, int]:
    """Returns the number of ways from the input to each tensor, by its `id`."""
    found: dict[int, int] = {}
    for node in nodes(network):
        ways = 1 if node.is_input else sum(found[id(tensor)] for tensor in node.input_tensors)
        found.update((id(tensor), ways) for tensor in node.output_tensors)
    return found


def _ways_from(network: keras.Model) -> dict[int, int]:
    """Returns the number of ways from each tensor to the output, by its `id`."""
    found = defaultdict(int, {id(network.outputs[0]): 1})
    for node in reversed(nodes(network)):
        ways = sum(found[id(tensor)] for tensor in node.output_tensors)
        for tensor in node.input_tensors:
            found[id(tensor)] += ways
    return found
