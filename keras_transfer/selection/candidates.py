"""Candidates: the networks among which one is to be chosen."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import keras

from keras_transfer._arguments import PATH, ImageSize, Kind, takes
from keras_transfer._checks import InputError
from keras_transfer.data import ImageData
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.backbones.backbone import Backbone, Weights
from keras_transfer.models.backbones.hub import is_handle
from keras_transfer.models.backbones.source_heads import source_head
from keras_transfer.models.building import build_model
from keras_transfer.models.origins import name_of, origin_of
from keras_transfer.models.stages import split

# from small to large, the most accurate ones of their size by Keras' own table
USUAL = (
    "MobileNetV3Small",
    "MobileNetV2",
    "MobileNetV3Large",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "DenseNet121",
    "EfficientNetV2B3",
    "ResNet50",
    "EfficientNetV2S",
    "ConvNeXtTiny",
)
ALL = "all"


@takes(
    weights=PATH | None,
    image_size=ImageSize() | None,
    backbone_options=Kind(Mapping, "a mapping from names to values") | None,
)
@dataclass(frozen=True)
class Candidate:
    """A network that may be chosen, as arguments of `build_model`.

    Attributes:
        backbone: as in `build_model`.
        weights: "imagenet", None or a file.
        image_size: height and width in pixels, or one number for both; None for those of the data.
        backbone_options: further arguments of the backbone's constructor.
    """

    backbone: str | os.PathLike[str] | Backbone | keras.Model
    weights: Weights = "imagenet"
    image_size: int | tuple[int, int] | None = None
    backbone_options: Mapping[str, Any] | None = field(default=None)

    def data(self, data: ImageData) -> ImageData:
        """Returns the data at the image size of this candidate."""
        size = ImageSize().normal(self.image_size or data.image_size)
        return data if size == tuple(data.image_size) else replace(data, image_size=size)

    def build(self, data: ImageData, **options: Any) -> keras.Model:
        """Builds the network for the classes of the data, at its image size.

        Args:
            data: images with labels.
            **options: further arguments of `build_model`, such as `head`.

        Raises:
            InputError: for the reasons of `build_model`.
            DownloadError: if weights are not on this machine and cannot be downloaded.
        """
        options = {"activation": data.task.activation, "channels": data.channels, **options}
        return build_model(
            self.backbone,
            data.num_classes,
            weights=self.weights,
            image_size=self.data(data).image_size,
            backbone_options=self.backbone_options,
            **options,
        )

    @property
    def pretrained(self) -> bool:
        """Whether the network has weights that are not random."""
        network = self.backbone.network if isinstance(self.backbone, Backbone) else self.backbone
        return self.weights is not None or isinstance(network, keras.Model)

    def source_head(self) -> keras.Model | None:
        """Returns the head that the network was trained with, from features to probabilities; None where it has none.

        A network of Keras with ImageNet weights has its classifier, which is downloaded. A model of `build_model` has
        its own head, if that answers with probabilities of classes for averaged features.
        """
        if isinstance(self.backbone, keras.Model):
            return _own_head(self.backbone)
        named = isinstance(self.backbone, str) and self.backbone in BACKBONES.names()
        if not named or self.weights != "imagenet":
            return None
        return source_head(str(self.backbone), self.weights, self.backbone_options)

    @property
    def name(self) -> str:
        """The network's name, with its options and its file of weights if it has any."""
        backbone = self.backbone.network if isinstance(self.backbone, Backbone) else self.backbone
        parts = [name_of(backbone), *(f"{name}={value}" for name, value in (self.backbone_options or {}).items())]
        return " ".join([*parts, "random"] if self.weights is None else parts)


def _own_head(model: keras.Model) -> keras.Model | None:
    origin = origin_of(model)
    if origin is None or origin.pooling != "avg" or model.layers[-1].name != "predictions":
        return None
    softmax = model.layers[-1].activation is keras.activations.softmax
    return split(model, "features")[1] if softmax else None


Given: TypeAlias = str | Backbone | keras.Model | Candidate
Several: TypeAlias = str | Sequence[Given] | Mapping[str, Given] | None
_WORDS = "a name of a network, a kt.Backbone, a keras.Model or a kt.Candidate"


def find_candidates(candidates: Several, data: ImageData) -> dict[str, Candidate]:
    """Returns candidates by their names: `USUAL` for None, every named network for "all".

    Raises:
        InputError: if there are none, one is no candidate, or two have the same name; or if labels are not of whole
            images, for which networks can be compared.
    """
    if data.task.axes:
        raise InputError(f"Expected one answer an image, to compare networks. Received: {data.task.said_of_labels}.")
    given = USUAL if candidates is None else BACKBONES.names() if candidates == ALL else candidates
    if isinstance(given, str) or not isinstance(given, (Sequence, Mapping)) or not given:
        raise InputError(
            f"Expected `candidates` to be 'all', or a list of one or more, each {_WORDS}; or a mapping from names to "
            f"these. Received: candidates={candidates!r}."
        )
    if isinstance(given, Mapping):
        return {str(name): _one(each) for name, each in given.items()}
    found: dict[str, Candidate] = {}
    for each in map(_one, given):
        if each.name in found:
            raise InputError(
                f"Expected candidates with names of their own. Received: {each.name!r} twice. "
                "Pass a mapping from names to candidates."
            )
        found[each.name] = each
    return found


def _one(given: Given) -> Candidate:
    if isinstance(given, Candidate):
        return given
    if isinstance(given, str) and not is_handle(given):
        given = BACKBONES.spelled(given)
    if isinstance(given, (str, Backbone, keras.Model)):
        return Candidate(given)
    raise InputError(f"Expected a candidate to be {_WORDS}. Received: {given!r}.")
