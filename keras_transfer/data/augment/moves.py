"""How augmentations move the places of an image, or of a mask with it: the same for the same seed.

Each takes an image or mask `(height, width, channels)`, a seed int64 `(2,)` and the way to resize: "bilinear", or
"nearest", which mixes no values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from keras_transfer.data.augment.seeded_layers import Augmentation

Move: TypeAlias = Callable[[tf.Tensor, tf.Tensor, str], tf.Tensor]


def moves(move: Move) -> Callable[[Augmentation], Augmentation]:
    """Says of an augmentation how it moves the places of an image, so that a mask can be moved with it.

    Args:
        move: function of an image or mask `(height, width, channels)`, the seed of the augmentation, and "bilinear" or
            "nearest", the way to resize.
    """

    def mark(change: Augmentation) -> Augmentation:
        change.__dict__["move"] = move
        return change

    return mark


def stays(image: tf.Tensor, seed: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    """Moves nothing."""
    return image


def moved_lightly(image: tf.Tensor, seed: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    """Flips left and right, and crops to 70 % of the area or more."""
    seeds = tf.random.split(seed, 2)
    return _random_crop(tf.image.stateless_random_flip_left_right(image, seeds[0]), 0.7, seeds[1], method)


def mirrored(image: tf.Tensor, seed: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    """Flips left and right at every second use."""
    use = tf.bitwise.right_shift(tf.cast(seed[0], tf.int64), tf.constant(32, tf.int64))  # see `augmented`
    return tf.where(use % 2 == 1, tf.reverse(image, [1]), image)


def moved_strongly(image: tf.Tensor, seed: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    """Flips left and right, and crops to 35 % of the area or more."""
    seeds = tf.random.split(seed, 6)
    return _random_crop(tf.image.stateless_random_flip_left_right(image, seeds[0]), 0.35, seeds[1], method)


def moved_upright(image: tf.Tensor, seed: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    """Crops to 80 % of the area or more."""
    return _random_crop(image, 0.8, tf.random.split(seed, 3)[0], method)


def turned(image: tf.Tensor, seed: tf.Tensor, method: str = "bilinear") -> tf.Tensor:
    """Flips both ways and, where the image is square, turns by quarters."""
    seeds = tf.random.split(seed, 3)
    image = tf.image.stateless_random_flip_left_right(image, seeds[0])
    image = tf.image.stateless_random_flip_up_down(image, seeds[1])
    if image.shape[0] is None or image.shape[0] != image.shape[1]:
        return image
    transposed = tf.random.stateless_uniform((), seeds[2]) < 0.5
    return tf.where(transposed, tf.transpose(image, (1, 0, 2)), image)


def _random_crop(image: tf.Tensor, smallest: float, seed: tf.Tensor, method: str) -> tf.Tensor:
    """Cuts out a random part with about the picture's aspect and resizes it back."""
    size = tf.shape(image)
    begin, part, _ = tf.image.stateless_sample_distorted_bounding_box(
        size,
        tf.zeros([1, 0, 4]),
        seed,
        area_range=(smallest, 1.0),
        aspect_ratio_range=(0.8, 1.25),
        use_image_if_no_bounding_boxes=True,
    )
    resized = tf.image.resize(tf.slice(image, begin, part), size[:2], method)
    resized.set_shape(image.shape)
    return resized
