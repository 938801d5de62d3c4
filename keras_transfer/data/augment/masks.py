"""Augmentation of images together with their masks: what is moved in one is moved in the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data.augment.named import AUGMENTATIONS, Augment, parts_in
from keras_transfer.data.augment.seeded_layers import SeededLayer, copy_of

MaskChange = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def find_with_masks(augment: Augment) -> MaskChange:
    """Returns what is done to an image and its mask: a function of both and a seed int64 `(2,)`.

    A mask is whole numbers `(height, width, 1)`, -1 where there is no label, as it is where an image is filled up.

    Args:
        augment: names, layers of Keras, functions `(image, mask) -> (image, mask)`, or a list of these.

    Raises:
        InputError: if a part is unknown, or cannot move masks.
    """
    parts = [_change(part) for part in parts_in(augment)]

    def change(image: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        for place, part in enumerate(parts):
            # as in `find`: the first part has the seed itself
            own = tf.random.experimental.stateless_fold_in(seed, place) if place else seed
            moved, changed = part(image, mask, own)
            image = tf.ensure_shape(moved, image.shape)
            mask = tf.ensure_shape(tf.cast(changed, mask.dtype), mask.shape)
        return image, mask

    return change


def _change(part: Any) -> MaskChange:
    if isinstance(part, str):
        found: Any = AUGMENTATIONS.find(part)
    elif isinstance(part, keras.layers.Layer):
        found = SeededLayer(copy_of(part))
    elif callable(part):
        return lambda image, mask, seed: part(image, mask)
    else:
        raise InputError(
            "Expected an augmentation's name, a function (image, mask) -> (image, mask) or a Keras layer. "
            f"Received: augment={part!r}."
        )
    if isinstance(found, SeededLayer):
        return _by_layer(found.prepare(), part)
    move = getattr(found, "move", None)
    if move is None:
        raise InputError(
            f"Expected an augmentation that moves masks together with images. Received: augment={part!r}, which "
            "mixes images or does not say how it moves them."
        )
    return lambda image, mask, seed: (found(image, seed), move(mask, seed, "nearest"))


def _by_layer(layer: SeededLayer, part: Any) -> MaskChange:
    if not layer.moves_masks:
        raise InputError(
            f"Expected an augmentation that moves masks together with images. Received: augment={part!r}, which mixes "
            "images or has no way to move masks."
        )

    def change(image: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # a layer fills up with zeros: numbers of classes count from 1 in it
        given = {"images": image, "segmentation_masks": tf.cast(mask, tf.float32) + 1}
        found = layer.run(given, seed)
        return tf.cast(found["images"], image.dtype), tf.round(tf.cast(found["segmentation_masks"], tf.float32)) - 1

    return change
