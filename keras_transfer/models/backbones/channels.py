"""Networks for pictures of any number of channels, from pretrained ones for three."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import nodes
from keras_transfer.models.backbones.copying import copy_network

Preprocess = Callable[[Any], Any]
_PADDINGS = (layers.ZeroPadding2D,)
_CLOSE = 1e-3  # of the range of a preprocessed picture


def with_channels(
    network: keras.Model, preprocess: Preprocess | None, channels: int
) -> tuple[keras.Model, Preprocess | None]:
    """Makes a network and its preprocessing take another number of channels.

    One channel is repeated, so that the answer is that for the same picture with equal channels. For two, or for four
    or more, channel `j` is treated as channel `j % 3` was, in preprocessing and in the first kernel, which is
    multiplied by `3 / channels`: the sum of what enters the first layer keeps its size. So does timm (Wightman 2019)
    for its `in_chans`.

    Args:
        network: functional, with one input `(batch, height, width, n)`; n is 3 in the formulas above.
        preprocess: what is done to a picture before it enters the network.
        channels: the number wanted.

    Returns:
        The network and its preprocessing; the new network's own where it is None.

    Raises:
        InputError: if what comes before the first convolution is not a scale and an offset for each channel.
    """
    base = network.input.shape[-1]
    if base in (None, channels):
        return network, preprocess
    if channels == 1:
        return network, lambda images: (preprocess or _same)(layers.Concatenate()([images] * base))
    before, first = _beginning(network)
    source, scale, offset = _treatment(network, preprocess, before, base)
    like = np.arange(channels) % base

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if operation.name in before:
            return args[0]
        if operation.name == first and isinstance(operation, keras.Sequential):  # built for the other number
            operation = keras.Sequential([type(layer).from_config(layer.get_config()) for layer in operation.layers])
            operation.name = first
        return operation(*args, **kwargs)

    def fitted(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if values.shape == shape:
            return values
        return values[:, :, source[like]] * (base / channels)

    pictures = keras.Input((*network.input.shape[1:3], channels), name="pictures")
    copy = copy_network(network, pictures, call, fitted)
    scaling = layers.Rescaling(scale[like].tolist(), offset[like].tolist(), name="preprocessing")
    return copy, scaling


def _same(images: Any) -> Any:
    return images


def _beginning(network: keras.Model) -> tuple[set[str], str]:
    """Returns what runs before the first convolution: the names of treatments, and its own name."""
    before: list[keras.Operation] = []
    tensor = network.input
    calls = [node for node in nodes(network) if not node.is_input]
    for node in calls:
        users = [each for each in calls if any(given is tensor for given in each.input_tensors)]
        if users != [node]:
            break
        operation = node.operation
        if getattr(operation, "weights", None) and not isinstance(operation, layers.Normalization):
            kernel = operation.weights[0]
            if len(kernel.shape) != 4 or kernel.shape[2] != network.input.shape[-1] or _is_depthwise(operation):
                break
            paddings = {each.name for each in before if isinstance(each, _PADDINGS)}
            names = [each.name for each in before]
            if any(name in paddings for name in names[: len(names) - len(paddings)]):
                break
            return set(names) - paddings, operation.name
        before.append(operation)
        tensor = node.output_tensors[0]
    raise InputError(
        f"Expected a network that begins with a convolution, to give it another number of channels. Received: "
        f"{network.name!r}. Put a layer before it that makes its channels of yours, such as a 1x1 Conv2D."
    )


def _is_depthwise(operation: keras.Operation) -> bool:
    first = operation.layers[0] if isinstance(operation, keras.Sequential) else operation
    return not isinstance(first, layers.Conv2D)


def _treatment(
    network: keras.Model, preprocess: Preprocess | None, before: set[str], base: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds what happens to each channel of a picture before the first convolution and its paddings.

    Returns:
        For each channel of the picture the index `(base,)` of the channel that it becomes, the factor and the offset.
    """
    end: KerasTensor = network.input
    for node in nodes(network):
        if not node.is_input and node.operation.name in before:
            end = node.output_tensors[0]
    inside = keras.Model(network.input, end) if before else _same
    height, width = (size or 8 for size in network.input.shape[1:3])
    flat = np.concatenate([np.zeros((1, base)), np.eye(base) * 255]).astype("float32")
    noise = np.random.default_rng(0).integers(0, 256, (1, height, width, base)).astype("float32")
    pictures = np.concatenate([np.broadcast_to(flat[:, None, None], (base + 1, height, width, base)), noise])
    treated = np.asarray(inside((preprocess or _same)(keras.ops.convert_to_tensor(pictures))), "float32")
    offset_of = treated[0, height // 2, width // 2]
    matrix = (treated[1 : base + 1, height // 2, width // 2] - offset_of) / 255  # of channel in, channel out
    source = np.abs(matrix).argmax(axis=1)
    scale = matrix[np.arange(base), source]
    expected = np.zeros((height, width, base), "float32")
    expected[..., source] = noise[0] * scale + offset_of[source]
    if sorted(source) != list(range(base)) or np.abs(treated[-1] - expected).max() > _CLOSE * np.abs(expected).max():
        raise InputError(
            "Expected preprocessing that scales and shifts each channel by itself, to give the network another number "
            f"of channels. Received: {network.name!r}, whose preprocessing does more."
        )
    return source, scale, offset_of[source]
