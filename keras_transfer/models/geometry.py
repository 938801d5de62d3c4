"""Where the values of feature maps lie in the image: the stride and the first centre of every map of a network.

Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), https://arxiv.org/abs/1603.07285, give
the sizes; Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks" (2019), equations 5 and
6, https://distill.pub/2019/computing-receptive-fields, the centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import KerasTensor, layers

from keras_transfer._keras.graph import Node, nodes

_WINDOWED = (
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.MaxPooling2D,
    layers.AveragePooling2D,
)


@dataclass(frozen=True)
class Grid:
    """Places of the values of a feature map along height or width.

    Attributes:
        stride: pixels of the image from one value to the next.
        first: where the centre of the first value lies, in pixels; 0 is the centre of the first pixel.
        size: number of values.
    """

    stride: float
    first: float
    size: int

    @staticmethod
    def regular(size: int, stride: int) -> Grid:
        """Returns the grid of cells of `stride` pixels that cover `size` pixels; the last may reach beyond."""
        return Grid(stride, (stride - 1) / 2, -(-size // stride))

    def coarser(self, factor: float, first: float, size: int) -> Grid:
        """Returns the grid of every `factor`-th value, from the place `first` among the values of this one."""
        return Grid(self.stride * factor, self.first + self.stride * first, size)


Grids = tuple[Grid, Grid]


def grids_of(network: keras.Model) -> dict[int, Grids]:
    """Returns the grids along height and width of all feature maps of a network, by the `id` of the tensor.

    A layer that is not known is taken to keep what it sees in the middle. Where branches meet that lie apart, as in
    NASNet, the place is the mean of theirs.
    """
    (images,) = network.inputs
    found = {id(images): _of_image(images)}
    for node in nodes(network):
        if node.is_input:
            continue
        sources = [found[id(tensor)] for tensor in node.input_tensors if id(tensor) in found]
        for output in node.output_tensors:
            if sources and _is_map(output, sources):
                found[id(output)] = _after(node, sources, output)
    return {key: grids for key, grids in found.items() if grids[0].size > 1 or grids[1].size > 1}


def _is_map(output: KerasTensor, sources: Sequence[Grids]) -> bool:
    """Says whether a tensor has rows and columns; a single channel may have lost its axis."""
    sizes = tuple(output.shape[1:3])
    if len(output.shape) == 3:
        return any(sizes == (rows.size, columns.size) for rows, columns in sources)
    return len(output.shape) == 4 and None not in sizes


def _of_image(images: KerasTensor) -> Grids:
    height, width = images.shape[1:3]
    return Grid(1.0, 0.0, height), Grid(1.0, 0.0, width)


def _after(node: Node, sources: Sequence[Grids], output: KerasTensor) -> Grids:
    rows, columns = (_along(node.operation, axis, [each[axis] for each in sources], output) for axis in (0, 1))
    return rows, columns


def _along(layer: Any, axis: int, sources: Sequence[Grid], output: KerasTensor) -> Grid:
    """Returns the grid of what a layer returns, along the height for axis 0 and along the width for axis 1."""
    size, widest = output.shape[1 + axis], max(grid.size for grid in sources)
    same = [grid for grid in sources if grid.size == widest]  # the gates of channels have one value
    mean = Grid(same[0].stride, sum(grid.first for grid in same) / len(same), widest)
    if isinstance(layer, layers.ZeroPadding2D):
        return mean.coarser(1, -layer.padding[axis][0], size)
    if isinstance(layer, layers.Cropping2D):
        return mean.coarser(1, layer.cropping[axis][0], size)
    if isinstance(layer, _WINDOWED):
        step, reach, before = _window(layer, axis, widest)
        return mean.coarser(step, (reach - 1) / 2 - before, size)
    factor = widest / size
    return mean.coarser(factor, (factor - 1) / 2, size) if size != widest else mean


def _window(layer: Any, axis: int, size: int) -> tuple[int, int, int]:
    """Returns how far the window of a layer moves, how far it reaches, and the padding before the first value."""
    pooled = isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D))
    sides, dilations = (layer.pool_size, (1, 1)) if pooled else (layer.kernel_size, layer.dilation_rate)
    step, reach = layer.strides[axis], (sides[axis] - 1) * dilations[axis] + 1
    if layer.padding != "same":
        return step, reach, 0
    lacking = max((-(-size // step) - 1) * step + reach - size, 0)
    return step, reach, lacking // 2
