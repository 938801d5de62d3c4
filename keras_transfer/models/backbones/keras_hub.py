"""KerasHub's networks as backbones: encoders of text and sound with each block as a stage, and networks of images.

KerasHub is another library than TF-Hub, whose models are in `hub.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
from keras import KerasTensor, layers, ops

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import Node, nodes
from keras_transfer._presets import keras_hub, load_preset
from keras_transfer.models.backbones.backbone import Backbone
from keras_transfer.models.backbones.copying import as_it_is, copy_network
from keras_transfer.models.backbones.whisper import WhisperMel
from keras_transfer.models.stages import PADDING

Stages = tuple[tuple[str, str], ...]

_LIBRARY = "keras_hub."
_NUMBERED = re.compile(r"(.*?)_?\d+")


def is_hub_model(model: Any) -> bool:
    """Says whether a model is a backbone of KerasHub."""
    return any(kind.__module__.startswith(_LIBRARY) and kind.__name__ == "Backbone" for kind in type(model).__mro__)


def preset_backbone(preset: str, *, with_weights: bool = True) -> Backbone:
    """Loads a preset: a network with its weights, and for images with the scaling of its own converter.

    Args:
        preset: name, handle such as `hf://...`, or folder.
        with_weights: False for random weights.

    Raises:
        InputError: if KerasHub is not installed, there is no such preset, or it is no encoder of text or images.
        DownloadError: if it cannot be downloaded.
    """
    library = keras_hub()
    network = load_preset(library.models.Backbone.from_preset, preset, "network", load_weights=with_weights)
    converter = None
    if _is_of_images(network):
        try:
            converter = library.layers.ImageConverter.from_preset(preset)
        except (ValueError, OSError):  # a preset without one
            converter = None
    return hub_model_backbone(network, None if converter is None else _scaling(converter))


def hub_model_backbone(
    network: keras.Model, preprocess: Callable[[KerasTensor], KerasTensor] | None = None
) -> Backbone:
    """Describes a backbone of KerasHub; its weights are copied.

    Args:
        network: of the class `keras_hub.models.Backbone`.
        preprocess: from images in [0, 255] to what a network of images was trained on.

    Raises:
        InputError: if it is no encoder of text or images.
    """
    if _is_of_images(network):
        return _of_images(network, preprocess)
    if "token_ids" in _inputs(network):
        return _of_text(network)
    if "encoder_features" in _inputs(network):
        return _of_sounds(network)
    raise InputError(
        "Expected a network of KerasHub that encodes text (input `token_ids`), sound or images. Received: "
        f"{type(network).__name__}, which takes {sorted(_inputs(network)) or network.inputs}. A part of it can be "
        "used: build_model(kt.Backbone(keras.Model(inputs, output)), ...)."
    )


def _inputs(network: keras.Model) -> dict[str, KerasTensor]:
    return network.input if isinstance(network.input, dict) else {}


def _is_of_images(network: keras.Model) -> bool:
    return not _inputs(network) and len(network.inputs) == 1 and len(network.inputs[0].shape) == 4


def _of_text(network: keras.Model) -> Backbone:
    """Makes an encoder of one that takes tokens alone, int32 `(batch, length)`, with -1 where there is none."""
    tokens = keras.Input((None,), dtype="int32", name="token_numbers")
    real = layers.Identity(name=PADDING)(ops.cast(ops.greater_equal(tokens, 0), "int32"))
    # of the mask, not beside it: so both lie before the first stage, and the mask alone crosses the cuts
    given = {"token_ids": tokens * real, "padding_mask": real}
    plain = keras.Model(list(_inputs(network).values()), _sequence(network))
    feeds = [given[name] if name in given else ops.zeros_like(real) for name in _inputs(network)]
    encoder = copy_network(plain, feeds, as_it_is)
    return Backbone(encoder, stages=_blocks(encoder))


def _of_sounds(network: keras.Model) -> Backbone:
    """Makes the encoder of Whisper a backbone; its decoder is left behind."""
    spectrogram = _inputs(network)["encoder_features"]
    encoder = keras.Model(spectrogram, _sequence(network, "encoder_sequence_output"))
    copy = copy_network(encoder, keras.Input(spectrogram.shape[1:], name="spectrogram"), as_it_is)
    return Backbone(copy, stages=_blocks(copy), sound=WhisperMel(bands=spectrogram.shape[-1]))


def _sequence(network: keras.Model, name: str = "sequence_output") -> KerasTensor:
    """Returns the output `(batch, length, width)`."""
    output = network.output
    if isinstance(output, dict):
        output = output.get(name)
    if output is None or len(output.shape) != 3:
        raise InputError(
            f"Expected an encoder with one vector for each token. Received: {type(network).__name__} with the output "
            f"{network.output_shape}."
        )
    return output


def _of_images(network: keras.Model, preprocess: Callable[[KerasTensor], KerasTensor] | None) -> Backbone:
    height, width, channels = network.inputs[0].shape[1:]
    output = network.output
    levels = getattr(network, "pyramid_outputs", None) or {}
    if isinstance(output, dict):
        raise InputError(
            f"Expected a network with one output. Received: {type(network).__name__} with {sorted(output)}. Choose "
            "one: build_model(kt.Backbone(keras.Model(network.inputs, network.output[name])), ...)."
        )
    pictures = keras.Input((height, width, channels or 3), name="pictures")
    copy = copy_network(keras.Model(network.inputs, output), pictures, _opened(network))
    stages = _blocks(copy) if not levels else _levels(network, levels)

    def before(images: KerasTensor) -> KerasTensor:
        if height is not None and tuple(images.shape[1:3]) != (height, width):
            images = layers.Resizing(height, width, interpolation="bilinear")(images)
        return images if preprocess is None else preprocess(images)

    return Backbone(copy, before, image_size=height or 224, stages=stages)


def _opened(network: keras.Model) -> Callable[..., Any]:
    """Returns what lays the operations of a network, those of an encoder one by one: so each is a stage."""

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if type(operation).__name__ not in ("ViTEncoder", "DeiTEncoder") or kwargs:
            return operation(*args, **kwargs)
        (tensor,) = args
        own = network.get_layer(operation.name)
        operation.build(tensor.shape)
        operation.set_weights(own.get_weights())
        if hasattr(operation, "dropout"):
            tensor = operation.dropout(tensor)
        for block in operation.encoder_layers:
            tensor = block(tensor)
            tensor = tensor[0] if isinstance(tensor, (tuple, list)) else tensor  # DeiT's gives its scores too
        encoded = operation.layer_norm(tensor)
        return (encoded, None, None) if type(operation).__name__ == "DeiTEncoder" else encoded

    return call


def _blocks(network: keras.Model) -> Stages:
    """Finds the repeated blocks of a transformer: what comes before them is a stage, and each of them.

    A block that is called again and again, as ALBERT's, is one stage: its weights are the same in all places.
    """
    calls = [node for node in nodes(network) if _group(node) is not None]
    if not calls:
        return (("backbone", ""),)
    groups = [_group(node) for node in calls]
    most = max(groups, key=groups.count)
    blocks = list({node.operation.name: node for node in calls if _group(node) == most}.values())
    first = next(node for node in nodes(network) if node.operation is blocks[0].operation)
    producers = {id(tensor): node.operation for node in nodes(network) for tensor in node.output_tensors}
    before = producers[id(first.input_tensors[0])]
    names = ["blocks"] if len(blocks) == 1 else [f"block{number}" for number in range(1, len(blocks) + 1)]
    ends = [re.escape(node.operation.name) for node in blocks[:-1]] + [""]
    return (("embeddings", re.escape(before.name)), *zip(names, ends, strict=True))


def _group(node: Node) -> tuple[str, str] | None:
    """Returns what the blocks of a transformer have in common: their class, and their name without its number."""
    kind, numbered = type(node.operation), _NUMBERED.fullmatch(node.operation.name)
    is_block = kind.__module__.startswith(_LIBRARY) and re.search("Encoder|Decoder|Block|Layer", kind.__name__)
    return (kind.__name__, numbered[1]) if is_block and numbered and not node.is_input else None


def _levels(network: keras.Model, levels: dict[str, KerasTensor]) -> Stages:
    """Returns the stages of a network whose maps halve in size from level to level."""
    made = {id(tensor): node.operation.name for node in nodes(network) for tensor in node.output_tensors}
    found = [(name, re.escape(made[id(tensor)])) for name, tensor in sorted(levels.items()) if id(tensor) in made]
    return (*((name, end) for name, end in found[:-1]), (found[-1][0], ""))


def _scaling(converter: Any) -> Callable[[KerasTensor], KerasTensor] | None:
    """Returns the scaling of a converter as a layer; its resizing is done before."""
    if converter.scale is None and converter.offset is None:
        return None
    scale = 1.0 if converter.scale is None else converter.scale
    offset = 0.0 if converter.offset is None else converter.offset
    return lambda images: layers.Rescaling(scale, offset)(images)
