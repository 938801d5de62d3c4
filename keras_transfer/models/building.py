"""build_model: one functional `keras.Model` of a backbone, a pooling and a head.

Its input is raw images, sounds, or the tokens of texts.

The model is not nested: `model.get_layer("conv5_block3_out").output` works."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import keras
from keras import KerasTensor, layers

from keras_transfer._arguments import PATH, Choice, ImageSize, Kind, Part, Whole, takes
from keras_transfer._checks import InputError, check_layout
from keras_transfer._keras.graph import nodes
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.backbones.backbone import Backbone, Weights
from keras_transfer.models.backbones.channels import with_channels
from keras_transfer.models.backbones.copying import copy_network, end_of_stage, takes_tokens, wrap
from keras_transfer.models.backbones.finding import find_backbone, is_named
from keras_transfer.models.decoders import pixel_logits, takes_maps
from keras_transfer.models.heads import HEADS, Head
from keras_transfer.models.origins import Origin, name_of, remember
from keras_transfer.models.pooling import POOLINGS, Pooling, pool
from keras_transfer.models.spectrograms import HEARD, Heard, LogMel, log_mel
from keras_transfer.models.stages import _MARK
from keras_transfer.models.token_pooling import TOKEN_POOLINGS
from keras_transfer.tasks import TASKS, task_of_activation

ANY_SIZE = Kind(
    lambda value: isinstance(value, (tuple, list)) and list(value) == [None, None], "(None, None) for any size"
)

_SIDES = {2: ("batch", "classes"), 3: ("batch", "length", "classes")}  # of what a head returns


@takes(
    num_classes=Whole(1),
    weights=PATH | None,
    image_size=ImageSize() | ANY_SIZE | None,
    channels=Whole(1) | None,
    sound=Kind(LogMel, "a kt.LogMel") | HEARD | None,
    pooling=Part(POOLINGS) | Part(TOKEN_POOLINGS) | None,
    head=Part(HEADS),
    activation=Choice(*(TASKS.find(name).activation for name in TASKS.names())),
    backbone_options=Kind(Mapping, "a mapping from names to values") | None,
)
def build_model(
    backbone: str | os.PathLike[str] | Backbone | keras.Model,
    num_classes: int,
    *,
    weights: Weights = "imagenet",
    image_size: int | tuple[int, int] | tuple[None, None] | None = None,
    channels: int | None = None,
    sound: LogMel | Heard | None = None,
    pooling: str | Pooling | None = "avg",
    head: str | Head = "linear",
    activation: str = "softmax",
    backbone_options: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Builds a network that takes raw images, sounds or tokens and returns one number for each class.

    Args:
        backbone: name in `kt.available("backbone")`; a preset of KerasHub, by its name (such as
            "bert_tiny_en_uncased"), handle (`hf://...`, `kaggle://...`) or folder; a TF-Hub handle or SavedModel
            folder; a `kt.Backbone`; a backbone of KerasHub; or a `keras.Model` that takes images in [0, 255] and
            contains its own preprocessing (its weights are copied). A model of this function gives its stages, and
            leaves its head behind.
        num_classes: number of outputs for each image, 1 or more (2 or more with softmax).
        weights: "imagenet" (downloaded by Keras), None for random weights, or a file. A `keras.Model` and a hub model
            already have weights; "imagenet" and None keep them. A preset comes with its own, or random ones for None.
        image_size: height and width in pixels, or one number for both; by default the backbone's default size.
            (None, None) for a model that takes images of any size, where backbone and pooling do.
        channels: of the pictures; by default those of the backbone, which are 3 for all named ones. One channel is
            repeated; of two, or four and more, each is treated as the red, green or blue one was, in turn, and the
            first kernel is scaled by 3 / channels.
        sound: for a model of sounds: how they become what the network takes, a `kt.LogMel`; or the data, whose rate and
            length are taken. A network of images gets a picture of each sound, of `image_size`; a `kt.Backbone` with a
            `sound` of its own gets what it was trained on.
        pooling: name in `kt.available("pooling")` or a function of a feature map. For networks with one vector for
            each token, of texts or of patches: name in `kt.available("token pooling")` or a function of the vectors and
            the mask of real tokens. None to give each token of a text an answer of its own, such as a tag.
        head: name in `kt.available("head")` or a function `(features, num_classes) -> logits`. "linear_maps", "unet",
            "fpn" and "deeplabv3plus" answer for every pixel, and so does a function of feature maps that is marked by
            `kt.heads.of_maps`; the pooling is then left out.
        activation: "softmax" (one class an image), "sigmoid" (several labels at once) or "linear" (regression).
        backbone_options: further arguments of the backbone's constructor, such as `{"alpha": 0.25}`.

    Returns:
        A functional model, all of it trainable (see `set_trainable`). Its input `images` is
        `(batch, height, width, channels)` in [0, 255], uint8 or float32; with `sound` it is `waveforms`, float32
        `(batch, samples)` in [-1, 1], and of an encoder of texts `tokens`, int32 `(batch, length)`, with -1 after the
        last token of a shorter text (`kt.data.from_texts` makes them). The model contains the backbone's preprocessing.
        Its layer `features` returns the pooled vector `(batch, channels)`, or with head="multilayer" the averages of
        all stages, its last layer `predictions` the output, float32 `(batch, num_classes)`. With pooling=None both have
        the axis of the tokens between these two. With a head for every pixel `features` is the last feature map, and
        the output `(batch, height, width, num_classes)`.

    Raises:
        InputError: if a name is unknown, the image size is below the backbone's minimum, or the file of weights does
            not exist or belongs to another network.
        DownloadError: if weights or a hub model are not on this machine and cannot be downloaded.

    Example:
        >>> model = build_model("MobileNet", 3, weights=None, image_size=32, backbone_options={"alpha": 0.25})
        >>> model.output.shape
        (None, 3)
    """
    check_layout(keras.config.image_data_format())
    if num_classes < task_of_activation(activation).fewest_outputs:
        raise InputError(
            f"Expected 2 or more classes with {activation}. Received: num_classes={num_classes}. "
            "For a yes-or-no question use two classes, or activation='sigmoid'."
        )
    if isinstance(weights, str) and weights.lower() == "imagenet":
        weights = "imagenet"
    if isinstance(backbone, str) and is_named(backbone):
        backbone = BACKBONES.spelled(backbone)
    apply_head = HEADS.find(head)
    part = find_backbone(backbone, with_weights=weights is not None)
    size = _size(image_size, part)
    heard = log_mel(sound, part.sound)
    # the backbone
    network = wrap(part.build(weights, size, backbone_options), (4,) if part.sound is None else (3, 4))
    own = network.input.shape[-1] or 3
    if heard is not None and (channels is not None or None in size):
        raise InputError(
            f"Expected no `channels` and a fixed image size with `sound`. Received: channels={channels}, "
            f"image_size={image_size!r}."
        )
    if takes_tokens(network):
        if not (image_size is channels is heard is None):
            raise InputError(
                "Expected no `image_size`, `channels` or `sound` for an encoder of texts. Received: "
                f"image_size={image_size!r}, channels={channels}, sound={sound!r}."
            )
        inputs, preprocess = keras.Input((None,), name="tokens", dtype="int32"), None
    elif heard is None:
        network, preprocess = with_channels(network, part.preprocess, channels or own)
        inputs = keras.Input((*size, channels or own), name="images", dtype="float32")
    else:
        inputs = keras.Input((heard.samples,), name="waveforms", dtype="float32")
        preprocess = heard.before(part.preprocess, size, of_sounds=part.sound is not None)
    feature_map = _lay(network, replace(part, preprocess=preprocess), inputs, heard if part.sound else None)
    logits = _logits(feature_map, pooling, apply_head, num_classes, of_tokens=takes_tokens(network))
    predictions = layers.Activation(activation, dtype="float32", name="predictions")(logits)
    model = keras.Model(inputs, predictions, name=backbone if is_named(backbone) else "classifier")
    named = name_of(part.network) if isinstance(backbone, Backbone) else name_of(backbone)
    remember(
        model,
        Origin(
            named,
            _weights_origin(weights, part),
            "none" if pooling is None or takes_maps(apply_head) else name_of(pooling),
            name_of(head),
            dict(backbone_options or {}),
        ),
    )
    return model


def _logits(
    feature_map: KerasTensor, pooling: str | Pooling | None, head: Head, num_classes: int, *, of_tokens: bool
) -> KerasTensor:
    """Returns what a head gives for a backbone's output, and names what it takes `features`.

    Raises:
        InputError: if output, pooling and head do not fit.
    """
    if len(feature_map.shape) not in (2, 3, 4):
        raise InputError(
            "Expected a backbone that returns a feature map (batch, height, width, channels), vectors (batch, length, "
            f"channels) or a vector (batch, channels). Received: shape {feature_map.shape}."
        )
    if takes_maps(head):
        if pooling not in (None, "avg"):
            raise InputError(
                f"Expected no `pooling` with head={name_of(head)!r}, which takes maps. Received: {pooling!r}."
            )
        features = layers.Identity(name="features", dtype=feature_map.dtype)(feature_map)
        return pixel_logits(features, cast(Any, head), num_classes)
    gather = getattr(head, "gather", None)
    if pooling is None and (not of_tokens or gather is not None):
        raise InputError(
            "Expected pooling=None with an encoder of texts, and a head that takes the vector of a token. Received: "
            f"output {feature_map.shape} with head={name_of(head)!r}."
        )
    if None in feature_map.shape[1:] and not of_tokens and name_of(pooling) == "flatten":
        raise InputError(
            "Expected a pooling that gives vectors of one length. Received: 'flatten' with any image size."
        )
    features = pool(feature_map, pooling, gather)
    logits = head(features, num_classes)
    expected = (*features.shape[:-1], num_classes)
    if tuple(logits.shape) != expected:
        said = ", ".join(str(side or name) for side, name in zip(expected, _SIDES[len(expected)], strict=True))
        raise InputError(f"Expected a head that returns ({said}). Received: shape {logits.shape}.")
    return logits


def _size(image_size: int | tuple[Any, Any] | None, part: Backbone) -> tuple[Any, Any]:
    if image_size is None:
        image_size = part.image_size
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if None not in size and min(size) < part.min_image_size:
        raise InputError(
            f"Expected `image_size` of {part.min_image_size} pixels or more for this backbone, one number or "
            f"(height, width). Received: image_size={image_size!r}."
        )
    return size


def _weights_origin(weights: Weights, part: Backbone) -> str:
    """Returns the origin of the backbone's weights: "its own", "random", "imagenet" or a file name."""
    if weights is None or weights == "imagenet":
        brought = isinstance(part.network, keras.Model)
        return "its own" if brought else "random" if weights is None else "imagenet"
    return Path(weights).name


def _lay(network: keras.Model, part: Backbone, images: KerasTensor, in_patches: LogMel | None) -> KerasTensor:
    """Copies the layers of a network, with their weights, onto an input, and returns the output.

    Preprocessing is put before the layers, and a marker layer after each stage; where sounds run in patches, the stage
    ends with those of a sound together again. Calling the network as one layer would
    nest it: outputs of its inner layers could not be accessed from the model (keras-io #1999), and `trainable` of its
    inner layers would depend on the outer layer.
    """
    ends = {id(end_of_stage(network, end)): name for name, end in part.stages}
    marks = [
        next((ends[id(tensor)] for tensor in node.output_tensors if id(tensor) in ends), None)
        for node in nodes(network)
        if not node.is_input
    ]
    waiting = iter(marks)
    inputs = part.preprocess(images) if part.preprocess else images

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        output = operation(*args, **kwargs)
        mark = next(waiting)
        if mark is None:
            return output
        if in_patches is None:
            return layers.Identity(name=_MARK + mark)(output)
        return in_patches.apart(layers.Identity(name=_MARK + mark)(in_patches.together(output)), output)

    output = copy_network(network, inputs, call).output
    return output if in_patches is None else in_patches.together(output)
