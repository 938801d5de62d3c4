"""The head that a network of `keras.applications` was trained with, as a model of its pooled features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_transfer.models.backbones.applications import BACKBONES
from keras_transfer.models.backbones.backbone import Backbone, Weights


def source_head(name: str, weights: Weights, options: Mapping[str, Any] | None) -> keras.Model | None:
    """Returns the layers after the global average pooling of a network with its classifier.

    Args:
        name: of the network.
        weights: "imagenet" or a file of weights with the classifier, or None.
        options: further arguments of the constructor.

    Returns:
        A model from features `(batch, channels)` to probabilities `(batch, 1000)`; None for a network that flattens in
        place of pooling (VGG).

    Raises:
        InputError, DownloadError: as `Backbone.build`.
    """

    def with_classifier(*, weights: Weights, input_shape: Any, **options: Any) -> keras.Model:
        return getattr(keras.applications, name)(include_top=True, weights=weights, **options)

    side = BACKBONES.find(name).image_size
    network = Backbone(with_classifier, image_size=side).build(weights, (side, side), options)
    pooled = [layer.output for layer in network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)]
    if not pooled:
        return None
    features = keras.Input((pooled[-1].shape[-1],))
    vector = keras.layers.Reshape(pooled[-1].shape[1:])(features)
    return keras.Model(features, keras.Model(pooled[-1], network.output)(vector))
