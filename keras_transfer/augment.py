"""Augmentations: random changes to training pictures that leave their class as it is.

They run in tf.data, outside the model. Each draws its random numbers from the seed it is given and from nothing else,
so that epoch 7 of a run sees the same pictures whenever it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry

Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")


@AUGMENTATIONS.register("none")
def none(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Leaves the picture as it is."""
    return image


@AUGMENTATIONS.register("light")
def light(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips left and right, and crops to 70% of the area or more."""
    seeds = tf.random.split(seed, 2)
    return _random_crop(tf.image.stateless_random_flip_left_right(image, seeds[0]), 0.7, seeds[1])


@AUGMENTATIONS.register("strong")
def strong(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flips left and right, crops to 35% of the area or more, and changes brightness, contrast and colour."""
    seeds = tf.random.split(seed, 6)
    image = _random_crop(tf.image.stateless_random_flip_left_right(image, seeds[0]), 0.35, seeds[1])
    image = tf.image.stateless_random_brightness(image / 255, 0.2, seeds[2])
    image = tf.image.stateless_random_contrast(image, 0.7, 1.3, seeds[3])
    image = tf.image.stateless_random_saturation(tf.clip_by_value(image, 0, 1), 0.6, 1.4, seeds[4])
    image = tf.image.stateless_random_hue(image, 0.04, seeds[5])
    return tf.clip_by_value(image, 0, 1) * 255


def find(augment: str | Callable[[tf.Tensor], tf.Tensor]) -> Augmentation:
    """Returns the augmentation of that name, or the user's own function of one image.

    Raises:
        InputError: if no augmentation has that name or the argument cannot be called.
    """
    if isinstance(augment, str):
        return AUGMENTATIONS.find(augment)
    if not callable(augment):
        raise InputError(f"Expected an augmentation's name or a function of an image. Received: augment={augment!r}.")
    return lambda image, seed: augment(image)


def _random_crop(image: tf.Tensor, smallest: float, seed: tf.Tensor) -> tf.Tensor:
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
    resized = tf.image.resize(tf.slice(image, begin, part), size[:2])
    resized.set_shape(image.shape)
    return resized
