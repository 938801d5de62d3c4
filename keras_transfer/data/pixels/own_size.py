"""From answers for the pixels that a network sees back to those of the picture it was given."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data.pixels.headers import announced_size, exif_orientation
from keras_transfer.data.pixels.resizing import centred

NOTHING = 255  # in a mask, where the network saw nothing of the picture
_TURNED = 5  # orientations from which on rows and columns are exchanged

Placement = Callable[[tf.Tensor, tuple[int, int]], tuple[tf.Tensor, tf.Tensor]]


def mask_files(outputs: tf.Tensor, raw: tf.Tensor, image_size: tuple[int, int], resize: str) -> tf.Tensor:
    """Returns masks of the size of pictures as PNG files: the number of the likeliest class at each pixel.

    Probabilities are interpolated along lines before the likeliest is taken. Part of the exported graph.

    Args:
        outputs: probabilities, float `(batch, height, width, num_classes)`.
        raw: the contents of the pictures' files, strings `(batch,)`.
        image_size: (height, width) that the pictures were resized to.
        resize: how: "crop", "pad" or "stretch".

    Returns:
        Strings `(batch,)`, grey PNG files of 8 bits. 255 stands where the network saw nothing, such as beyond what
        "crop" keeps.

    Raises:
        InputError: if there are more than 255 classes, or pictures are resized in another way.
    """
    if outputs.shape[-1] > NOTHING:
        raise InputError(f"Expected {NOTHING} classes at most, for masks as PNG files. Received: {outputs.shape[-1]}.")
    if resize not in _PLACEMENTS:
        raise InputError(f"Expected resize to be one of {list(_PLACEMENTS)}, for masks. Received: {resize!r}.")

    def one(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        probabilities, encoded = pair
        size = upright_size(encoded)
        scale, translation = _PLACEMENTS[resize](size, image_size)
        return tf.io.encode_png(_likeliest(probabilities, size, scale, translation))

    return tf.map_fn(one, (outputs, raw), fn_output_signature=tf.TensorSpec((), tf.string))


def upright_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width of a picture as it is shown, int32 `(2,)`, from the content of its file."""
    size = tf.cast(announced_size(encoded), tf.int32)
    turned = exif_orientation(encoded) >= _TURNED
    return tf.where(turned, tf.reverse(size, [0]), size)


def _likeliest(probabilities: tf.Tensor, size: tf.Tensor, scale: tf.Tensor, translation: tf.Tensor) -> tf.Tensor:
    """Returns the number of the likeliest class at each pixel of a picture, uint8 `(height, width, 1)`.

    One class after another is enlarged, so that memory does not grow with their number.
    """

    def compare(found: tuple[tf.Tensor, tf.Tensor, tf.Tensor], one: tf.Tensor) -> tuple[tf.Tensor, ...]:
        largest, numbers, number = found
        enlarged = tf.raw_ops.ScaleAndTranslate(
            images=one[tf.newaxis, ..., tf.newaxis],
            size=size,
            scale=1 / scale,
            translation=-translation / scale,
            kernel_type="triangle",
            antialias=False,
        )[0]
        better = enlarged > largest
        return tf.where(better, enlarged, largest), tf.where(better, number, numbers), number + 1

    shape = tf.concat([size, [1]], axis=0)
    begin = (tf.zeros(shape), tf.fill(shape, np.uint8(NOTHING)), tf.constant(0, tf.uint8))
    by_class = tf.transpose(tf.cast(probabilities, tf.float32), (2, 0, 1))
    _, numbers, _ = tf.foldl(compare, by_class, begin)
    return tf.ensure_shape(numbers, (None, None, 1))


# Where a pixel of the picture lies among those that the network sees: times the scale, plus the translation.


def _cropped(size: tf.Tensor, image_size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    wanted, whole = tf.constant(image_size, tf.float32), tf.cast(size, tf.float32)
    part, in_whole_pixels = centred(size, image_size)
    begin, kept = tf.split(tf.cast(part, tf.float32), 2)
    scale = tf.reduce_max(wanted / whole) * tf.ones(2)
    return (
        tf.where(in_whole_pixels, wanted / kept, scale),
        tf.where(in_whole_pixels, -begin * wanted / kept, (wanted - whole * scale) / 2),
    )


def _padded(size: tf.Tensor, image_size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    scale = tf.reduce_min(image_size / size)
    part = tf.clip_by_value(tf.cast(tf.round(scale * tf.cast(size, tf.float64)), tf.int32), 1, image_size)
    before = (tf.constant(image_size) - part) // 2
    return tf.cast(part / size, tf.float32), tf.cast(before, tf.float32)


def _stretched(size: tf.Tensor, image_size: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.cast(image_size / size, tf.float32), tf.zeros(2)


_PLACEMENTS: dict[str, Placement] = {"crop": _cropped, "pad": _padded, "stretch": _stretched}
