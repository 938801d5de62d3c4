"""Finding: the backbone that a name, a handle, a folder or a network stands for."""

from __future__ import annotations

import os
from pathlib import Path

import keras

from keras_transfer._checks import InputError
from keras_transfer._presets import is_preset
from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.backbones.backbone import Backbone
from keras_transfer.models.backbones.hub import hub_backbone, is_handle
from keras_transfer.models.backbones.keras_hub import hub_model_backbone, is_hub_model, preset_backbone
from keras_transfer.models.backbones.reusing import backbone_of
from keras_transfer.models.stages import check_one_way, marks_of_stages


def find_backbone(backbone: str | os.PathLike[str] | Backbone | keras.Model, *, with_weights: bool = True) -> Backbone:
    """Returns what a backbone is made of, in any of the forms that `build_model` takes.

    Args:
        backbone: name, preset, handle, folder, `kt.Backbone` or network.
        with_weights: whether a preset comes with its weights.

    Raises:
        InputError: if there is no such backbone.
        DownloadError: if it cannot be downloaded.
    """
    if is_hub_model(backbone):
        return hub_model_backbone(backbone)
    if isinstance(backbone, Backbone) and is_hub_model(backbone.network):
        return hub_model_backbone(backbone.network, backbone.preprocess)
    if isinstance(backbone, keras.Model):
        if marks_of_stages(backbone):
            check_one_way(backbone)
        whole = marks_of_stages(backbone) and backbone.layers[-1].name == "predictions"
        return backbone_of(backbone) if whole else Backbone(backbone, image_size=_own_size(backbone))
    if isinstance(backbone, os.PathLike):
        backbone = str(Path(backbone).expanduser())
    if isinstance(backbone, str) and not is_named(backbone):
        if is_preset(backbone):
            return preset_backbone(backbone, with_weights=with_weights)
        if is_handle(backbone):
            return hub_backbone(backbone)
    if isinstance(backbone, (str, Backbone)):
        return BACKBONES.find(backbone)
    raise InputError(f"Expected a backbone's name, a kt.Backbone or a keras.Model. Received: {backbone!r}.")


def is_named(backbone: object) -> bool:
    """Says whether a backbone is the name, in whatever case, of one that is registered."""
    return isinstance(backbone, str) and backbone.lower() in map(str.lower, BACKBONES.names())


def default_image_size(backbone: str | Backbone | keras.Model) -> int:
    """Returns the default height and width of a backbone's images in pixels, one number for both."""
    return find_backbone(backbone).image_size


def _own_size(network: keras.Model) -> int:
    """Returns the image height that a network was built for, or 224 if its input has no fixed height."""
    shape = getattr(network, "input_shape", None)
    return shape[1] if isinstance(shape, tuple) and len(shape) == 4 and shape[1] else 224
