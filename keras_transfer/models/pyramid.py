"""pyramid: a model from images to the feature maps of a backbone at several strides."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras

from keras_transfer._arguments import PATH, ImageSize, Kind, takes
from keras_transfer._checks import InputError
from keras_transfer._keras.graph import inputs_of
from keras_transfer.models.backbones.backbone import Backbone
from keras_transfer.models.building import ANY_SIZE, build_model
from keras_transfer.models.feature_maps import maps_of
from keras_transfer.models.stages import check_one_way, marks_of_stages


@takes(
    weights=PATH | None,
    image_size=ImageSize() | ANY_SIZE | None,
    backbone_options=Kind(Mapping, "a mapping from names to values") | None,
)
def pyramid(
    backbone: str | os.PathLike[str] | Backbone | keras.Model,
    *,
    weights: str | os.PathLike[str] | None = "imagenet",
    image_size: int | tuple[int, int] | None = None,
    backbone_options: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Returns a model from images to the feature maps of a backbone, from fine to coarse, in line with the images.

    Args:
        backbone: as in `build_model`; a model that it made gives its own layers, with their weights and what is frozen,
            and takes no other argument.
        weights: as in `build_model`.
        image_size: height and width in pixels, or one number for both; by default the backbone's default size.
        backbone_options: as in `build_model`.

    Returns:
        A functional model from `images`, `(batch, height, width, channels)` in [0, 255], to a dict of the maps
        `"stride2"`, `"stride4"` and so on to `"stride32"`, as far as the network has them:
        `(batch, ceil(height / stride), ceil(width / stride), channels)`. The value at row `i` speaks of the `stride`
        rows of pixels from `i * stride` on, whatever the padding of the network.

    Raises:
        InputError: if the network has no feature maps, the size is not fixed, or a model of `build_model` is to have
            another one.

    Example:
        >>> maps = pyramid("MobileNet", weights=None, image_size=64)
        >>> {name: tuple(values.shape[1:]) for name, values in maps.output.items()}
        {'stride2': (32, 32, 64), 'stride4': (16, 16, 128), 'stride8': (8, 8, 256), 'stride16': (4, 4, 512),
         'stride32': (2, 2, 1024)}
    """
    marks = marks_of_stages(backbone) if isinstance(backbone, keras.Model) else []
    if marks:
        check_one_way(backbone)
        if image_size is not None or backbone_options:
            raise InputError(
                "Expected no `image_size` and no `backbone_options` with a model of build_model, whose layers are "
                f"shared. Received: image_size={image_size!r}, backbone_options={backbone_options!r}."
            )
    else:
        model = build_model(backbone, 2, weights=weights, image_size=image_size, backbone_options=backbone_options)
        marks = marks_of_stages(model)
    end = marks[-1].output
    return keras.Model(inputs_of(end)[0], {f"stride{stride}": tensor for stride, tensor in maps_of(end).items()})
