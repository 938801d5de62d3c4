"""Ways to bring a picture to the size a network takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_transfer._registry import Registry

Resize = Callable[[tf.Tensor, tuple[int, int]], tf.Tensor]
RESIZES: Registry[Resize] = Registry("resize")

_SKIPS = 2  # times the size wanted from which on bilinear interpolation passes over pixels


@RESIZES.register("crop")
def crop(image: tf.Tensor, image_size: tuple[int, int]) -> tf.Tensor:
    """Keeps the aspect: takes the largest centred part of the wanted shape and resizes it like `stretch`."""
    wanted, whole = tf.constant(image_size, tf.float32), tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_max(wanted / whole)

    def from_whole_pixels() -> tf.Tensor:
        begin, part = tf.split(centred(tf.shape(image)[:2], image_size)[0], 2)
        return tf.image.resize(tf.slice(image, tf.concat([begin, [0]], 0), tf.concat([part, [-1]], 0)), image_size)

    def from_between_pixels() -> tf.Tensor:
        return _antialiased(image, image_size, tf.stack([scale, scale]), (wanted - whole * scale) / 2)

    return tf.cond(scale < 1 / _SKIPS, from_between_pixels, from_whole_pixels)


def centred(size: tf.Tensor, image_size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the part of a picture that `crop` keeps, and whether it is resized without antialiasing.

    Args:
        size: height and width of the picture, int32 `(2,)`.
        image_size: (height, width) wanted.

    Returns:
        Top, left, height and width in whole pixels, int32 `(4,)`; and a scalar bool.
    """
    wanted, whole = tf.constant(image_size, tf.float32), tf.cast(size, tf.float32)
    scale = tf.reduce_max(wanted / whole)
    part = tf.clip_by_value(tf.round(wanted / scale), 1, whole)
    return tf.cast(tf.concat([(whole - part) / 2, part], 0), tf.int32), scale >= 1 / _SKIPS


@RESIZES.register("pad")
def pad(image: tf.Tensor, image_size: tuple[int, int]) -> tf.Tensor:
    """Keeps the aspect and the whole picture: resizes it to fit like `stretch` and fills the rest with black."""
    height, width = image_size
    whole = tf.shape(image)[:2]
    scale = tf.reduce_min([height, width] / whole)
    part = tf.clip_by_value(tf.cast(tf.round(scale * tf.cast(whole, tf.float64)), tf.int32), 1, [height, width])
    before = ([height, width] - part) // 2
    black = tf.concat([tf.stack([before, [height, width] - part - before], axis=1), [[0, 0]]], axis=0)
    return tf.pad(stretch(image, part), black)


@RESIZES.register("stretch")
def stretch(image: tf.Tensor, image_size: tuple[int, int] | tf.Tensor) -> tf.Tensor:
    """Resizes both sides; the aspect changes.

    Bilinear, and with antialiasing where a side is more than twice the one wanted, so that no pixel is passed over.
    """
    wanted = tf.convert_to_tensor(image_size)
    scale = tf.cast(wanted / tf.shape(image)[:2], tf.float32)
    return tf.cond(
        tf.reduce_min(scale) < 1 / _SKIPS,
        lambda: _antialiased(image, wanted, scale, tf.zeros(2)),
        lambda: tf.image.resize(image, wanted),
    )


def _antialiased(image: tf.Tensor, image_size: Any, scale: tf.Tensor, translation: tf.Tensor) -> tf.Tensor:
    """Resizes with the triangle filter, widened so that it covers all pixels; a part may begin between two of them."""
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=image_size,
        scale=scale,
        translation=translation,
        kernel_type="triangle",
        antialias=True,
    )
    return resized[0]
