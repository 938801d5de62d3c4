"""From the bytes of an image file to the pixels a network sees: one code path for training and serving.

Everything here is made of TensorFlow operations, so that the same function runs in tf.data and in an exported graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import tensorflow as tf

from keras_transfer.data.formats.format import MAX_PIXELS
from keras_transfer.data.pixels.headers import (
    announced_size,
    bmp_palette,
    exif_orientation,
    has_exif,
    is_deep_png,
    is_jpeg,
    is_palette_bmp,
)
from keras_transfer.data.pixels.resizing import RESIZES, centred, crop

MARGIN = 4  # how many times the size wanted a reduced JPEG keeps; measured by benchmarks/reduced_decoding.py

DEEP = (0.0, 65535.0)  # black and white in files with 16 bits, unless it is said otherwise
_RANGE = tf.TensorSpec((2,), tf.float32)
_ENCODED, _PICTURE = tf.TensorSpec((), tf.string), tf.TensorSpec((None, None, 3), tf.uint8)
# One call in the graph, not its many operations: what an image does not need then costs next to nothing.
_apart = partial(tf.function, autograph=False, experimental_attributes={"_noinline": True})


def load_image(
    encoded: tf.Tensor, image_size: tuple[int, int], resize: str, pixel_range: tuple[float, float] | None = None
) -> tf.Tensor:
    """Decodes, turns upright and resizes one image: what training, evaluation and serving all call.

    Args:
        encoded: scalar string, the bytes of a JPEG, PNG, GIF (first frame), BMP or WebP file.
        image_size: (height, width) in pixels.
        resize: "crop", "pad" or "stretch".
        pixel_range: the values that become black and white where a file has 16 bits a channel; (0, 65535) by default.

    Returns:
        float32 `(height, width, 3)`, whole numbers in [0, 255].
    """
    return tf.cast(load_pixels(encoded, image_size, resize, pixel_range), tf.float32)


def load_pixels(
    encoded: tf.Tensor, image_size: tuple[int, int], resize: str, pixel_range: tuple[float, float] | None = None
) -> tf.Tensor:
    """Does the same, and returns uint8 `(height, width, 3)`: a quarter of the memory, for pipelines."""

    other = _any_image(tuple(image_size), resize, pixel_range)
    if RESIZES.find(resize) is crop:  # the usual photograph takes a path of few operations; others are one call
        usual = is_jpeg(encoded) & ~has_exif(encoded)
        image = tf.cond(usual, lambda: _cropped_jpeg(encoded, image_size, other), lambda: other(encoded))
    else:
        image = other(encoded)
    return tf.ensure_shape(image, (*image_size, 3))


@cache  # traced once, also where it is called outside a graph
def _any_image(
    image_size: tuple[int, int], resize: str, pixel_range: tuple[float, float] | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    def any_image(encoded: tf.Tensor) -> tf.Tensor:
        return _rounded(RESIZES.find(resize)(decode(encoded, max(image_size), pixel_range), image_size))

    return _apart(any_image, input_signature=[_ENCODED])


def _cropped_jpeg(encoded: tf.Tensor, image_size: tuple[int, int], other: Callable[..., tf.Tensor]) -> tf.Tensor:
    """Decodes the part of a JPEG alone that `crop` keeps, where it is resized without antialiasing.

    The decoder computes the colours at the border of the part from the pixels within, so that the outermost row and
    column may differ a little from those of the whole picture.
    """
    size = tf.image.extract_jpeg_shape(encoded)[:2]
    window, plain = centred(size, image_size)

    def part() -> tf.Tensor:
        with tf.control_dependencies([_limit(size)]):
            pixels = tf.io.decode_and_crop_jpeg(encoded, window, channels=3)
        return _rounded(tf.image.resize(pixels, image_size))

    return tf.cond(plain, part, lambda: other(encoded))


def _rounded(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(image), tf.uint8)


def decode(encoded: tf.Tensor, side: int | tf.Tensor, pixel_range: tuple[float, float] | None = None) -> tf.Tensor:
    """Decodes one image to RGB and turns it the way its EXIF orientation says.

    A JPEG is decoded at 1/8, 1/4 or 1/2 of its size, the smallest at which its shorter side keeps `MARGIN` times
    `side` pixels: the decoder then leaves out the fine frequencies that resizing would average away. Other formats are
    decoded whole. Grey and palette images become RGB, transparency is dropped, 16 bits become 8 by `pixel_range`.

    Args:
        encoded: scalar string, the bytes of a file.
        side: the longer side of the size wanted, in pixels; a large number for the whole picture.
        pixel_range: the values that become black and white where a file has 16 bits a channel; (0, 65535) by default.

    Returns:
        uint8 `(height, width, 3)` in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not an image TensorFlow can decode, or announce more than
            `MAX_PIXELS`.
    """
    return _decode(encoded, tf.convert_to_tensor(side, tf.int32), tf.constant(pixel_range or DEEP, tf.float32))


# traced once for all pipelines
@tf.function(input_signature=[_ENCODED, tf.TensorSpec((), tf.int32), _RANGE], autograph=False)
def _decode(encoded: tf.Tensor, side: tf.Tensor, pixel_range: tf.Tensor) -> tf.Tensor:
    return tf.cond(is_jpeg(encoded), lambda: _decode_jpeg(encoded, side), lambda: _decode_other(encoded, pixel_range))


def _decode_jpeg(encoded: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    size = tf.image.extract_jpeg_shape(encoded)[:2]
    with tf.control_dependencies([_limit(size)]):
        room = tf.reduce_min(size) // tf.maximum(side, 1)
    halvings = sum(tf.cast(room >= MARGIN * ratio, tf.int32) for ratio in (2, 4, 8))
    image = tf.switch_case(
        halvings, [partial(tf.io.decode_jpeg, encoded, channels=3, ratio=ratio) for ratio in (1, 2, 4, 8)]
    )
    image.set_shape((None, None, 3))
    return tf.cond(has_exif(encoded), lambda: _upright(image, encoded), lambda: image)


@_apart(input_signature=[_ENCODED, _RANGE])
def _decode_other(encoded: tf.Tensor, pixel_range: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([_limit(announced_size(encoded))]):
        encoded = tf.identity(encoded)

    def deep() -> tf.Tensor:
        values = tf.cast(tf.io.decode_png(encoded, channels=3, dtype=tf.uint16), tf.float32)
        black, white = tf.unstack(pixel_range)
        return tf.cast(tf.round(tf.clip_by_value((values - black) * (255 / (white - black)), 0, 255)), tf.uint8)

    def coloured() -> tf.Tensor:
        return tf.gather(bmp_palette(encoded), tf.cast(tf.io.decode_bmp(encoded, channels=0)[..., 0], tf.int32))

    def plain() -> tf.Tensor:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)

    def no_deep() -> tf.Tensor:  # of these TensorFlow takes the indices for grey values
        return tf.cond(is_palette_bmp(encoded), coloured, plain)

    return tf.ensure_shape(tf.cond(is_deep_png(encoded), deep, no_deep), (None, None, 3))


def _limit(size: tf.Tensor) -> tf.Operation:
    pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    return tf.raw_ops.Assert(condition=pixels <= MAX_PIXELS, data=["too many pixels", pixels])


@_apart(input_signature=[_PICTURE, _ENCODED])
def _upright(image: tf.Tensor, encoded: tf.Tensor) -> tf.Tensor:
    return _turn(image, exif_orientation(encoded))


def _turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes what each EXIF orientation says was done to the picture."""

    def turned() -> tf.Tensor:
        order = tf.where(orientation > 4, [1, 0, 2], [0, 1, 2])  # from 5 on, rows and columns are exchanged
        step = (orientation - 1) % 4
        flipped = tf.stack([step >= 2, (step == 1) | (step == 2), False])
        return tf.raw_ops.Reverse(tensor=tf.transpose(image, order), dims=flipped)

    return tf.ensure_shape(tf.cond(orientation == 1, lambda: image, turned), (None, None, 3))
