"""From the bytes of an image file to the pixels a network sees: one code path for training and serving.

Everything here is made of TensorFlow operations, so that the same function runs in tf.data and in an exported graph.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import tensorflow as tf

from keras_transfer.data.formats.format import MAX_PIXELS
from keras_transfer.data.formats.naming import NATIVE
from keras_transfer.data.pixels.branches import either
from keras_transfer.data.pixels.headers import (
    begins_like,
    bmp_palette,
    exif_orientation,
    has_exif,
    is_deep_png,
    is_jpeg,
    is_palette_bmp,
    size_in_head,
)
from keras_transfer.data.pixels.resizing import RESIZES, centred, crop

MARGIN = 4  # how many times the size wanted a reduced JPEG keeps; measured by benchmarks/reduced_decoding.py

DEEP = (0.0, 65535.0)  # black and white in files with 16 bits, unless it is said otherwise


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
    encoded: tf.Tensor,
    image_size: tuple[int, int],
    resize: str,
    pixel_range: tuple[float, float] | None = None,
    formats: frozenset[str] = NATIVE,
) -> tf.Tensor:
    """Does the same, and returns uint8 `(height, width, 3)`: a quarter of the memory, for pipelines.

    Args:
        encoded: as in `load_image`.
        image_size: as in `load_image`.
        resize: as in `load_image`.
        pixel_range: as in `load_image`.
        formats: that the bytes may have. What others need is left out of the graph; the pixels are the same. Bytes of
            another format are an error.
    """
    return _loader(tuple(image_size), resize, pixel_range, formats)(encoded)


@cache  # traced once for all pipelines
def _loader(
    image_size: tuple[int, int], resize: str, pixel_range: tuple[float, float] | None, formats: frozenset[str]
) -> Callable[[tf.Tensor], tf.Tensor]:
    def whole(encoded: tf.Tensor) -> tf.Tensor:
        image = decode(encoded, max(image_size), pixel_range, formats)
        return _rounded(RESIZES.find(resize)(image, image_size))

    def part(encoded: tf.Tensor) -> tf.Tensor:
        size = _jpeg_size(encoded)
        pixels = tf.io.decode_and_crop_jpeg(encoded, centred(size, image_size)[0], channels=3)
        return _rounded(tf.image.resize(pixels, image_size))

    def needs_part(encoded: tf.Tensor) -> tf.Tensor:
        return centred(tf.image.extract_jpeg_shape(encoded)[:2], image_size)[1]

    def part_or_whole(encoded: tf.Tensor) -> tf.Tensor:
        """Decodes of a JPEG the part alone that `crop` keeps, where it is resized without antialiasing.

        The decoder computes the colours at its border from the pixels within, so that the outermost row and column may
        differ a little from those of the whole picture.
        """
        upright = is_jpeg(encoded) & ~has_exif(encoded)
        plain = either(upright, needs_part, lambda _: tf.constant(False), encoded)
        return either(plain, part, whole, encoded)

    load = part_or_whole if "JPEG" in formats and RESIZES.find(resize) is crop else whole
    return tf.function(
        lambda encoded: tf.ensure_shape(load(encoded), (*image_size, 3)),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )


def _rounded(image: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.round(image), tf.uint8)


def decode(
    encoded: tf.Tensor,
    side: int | tf.Tensor,
    pixel_range: tuple[float, float] | None = None,
    formats: frozenset[str] = NATIVE,
) -> tf.Tensor:
    """Decodes one image to RGB and turns it the way its EXIF orientation says.

    A JPEG is decoded at 1/8, 1/4 or 1/2 of its size, the smallest at which its shorter side keeps `MARGIN` times
    `side` pixels: the decoder then leaves out the fine frequencies that resizing would average away. Other formats are
    decoded whole. Grey and palette images become RGB, transparency is dropped, 16 bits become 8 by `pixel_range`.

    Args:
        encoded: scalar string, the bytes of a file.
        side: the longer side of the size wanted, in pixels; a large number for the whole picture.
        pixel_range: the values that become black and white where a file has 16 bits a channel; (0, 65535) by default.
        formats: that the bytes may have; those of another are an error.

    Returns:
        uint8 `(height, width, 3)` in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not an image TensorFlow can decode, or announce more than
            `MAX_PIXELS`.
    """
    side, values = tf.convert_to_tensor(side, tf.int32), tf.constant(pixel_range or DEEP, tf.float32)
    return _decoder(formats)(encoded, side, values)


@cache  # traced once for all pipelines
def _decoder(formats: frozenset[str]) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    def jpeg(encoded: tf.Tensor, side: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return _decode_jpeg(encoded, side)

    def other(encoded: tf.Tensor, _: tf.Tensor, pixel_range: tf.Tensor) -> tf.Tensor:
        return _decode_other(encoded, pixel_range, formats)

    def either_of(encoded: tf.Tensor, side: tf.Tensor, pixel_range: tf.Tensor) -> tf.Tensor:
        return either(is_jpeg(encoded), jpeg, other, encoded, side, pixel_range)

    needed = either_of if len(formats) > 1 else jpeg
    chosen = needed if "JPEG" in formats else other
    signature = [
        tf.TensorSpec((), tf.string, "encoded"),
        tf.TensorSpec((), tf.int32, "side"),
        tf.TensorSpec((2,), tf.float32, "pixel_range"),
    ]
    return tf.function(chosen, input_signature=signature, autograph=False)


def _decode_jpeg(encoded: tf.Tensor, side: tf.Tensor) -> tf.Tensor:
    room = tf.reduce_min(_jpeg_size(encoded)) // tf.maximum(side, 1)

    def at(ratio: int) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Decodes at 1 / ratio of the size, or less."""

        def decoded(encoded: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            return tf.io.decode_jpeg(encoded, channels=3, ratio=ratio)

        if ratio == 8:
            return decoded
        return lambda encoded, room: either(room < MARGIN * 2 * ratio, decoded, at(2 * ratio), encoded, room)

    image = at(1)(encoded, room)
    return either(has_exif(encoded), _upright, lambda image, _: image, image, encoded)


def _jpeg_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width of a JPEG; an error if they are too large to decode."""
    size = tf.image.extract_jpeg_shape(encoded)[:2]
    with tf.control_dependencies([_limit(size)]):
        return tf.identity(size)


def _decode_other(encoded: tf.Tensor, pixel_range: tf.Tensor, formats: frozenset[str]) -> tf.Tensor:
    checks = [_limit(size_in_head(encoded))]
    if formats < NATIVE:  # a file that has changed may need what is left out
        checks.append(tf.raw_ops.Assert(condition=begins_like(encoded, formats), data=["not of", *sorted(formats)]))
    with tf.control_dependencies(checks):
        encoded = tf.identity(encoded)

    def plain(encoded: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_image(encoded, channels=3, expand_animations=False)

    def deep(encoded: tf.Tensor, pixel_range: tf.Tensor) -> tf.Tensor:
        values = tf.cast(tf.io.decode_png(encoded, channels=3, dtype=tf.uint16), tf.float32)
        black, white = tf.unstack(pixel_range)
        return tf.cast(tf.round(tf.clip_by_value((values - black) * (255 / (white - black)), 0, 255)), tf.uint8)

    def coloured(encoded: tf.Tensor, _: tf.Tensor) -> tf.Tensor:  # of these TensorFlow takes the indices for grey
        return tf.gather(bmp_palette(encoded), tf.cast(tf.io.decode_bmp(encoded, channels=0)[..., 0], tf.int32))

    def bmp_or_plain(encoded: tf.Tensor, pixel_range: tf.Tensor) -> tf.Tensor:
        if "BMP" not in formats:
            return plain(encoded, pixel_range)
        return either(is_palette_bmp(encoded), coloured, plain, encoded, pixel_range)

    if "PNG" in formats:
        image = either(is_deep_png(encoded), deep, bmp_or_plain, encoded, pixel_range)
    else:
        image = bmp_or_plain(encoded, pixel_range)
    return tf.ensure_shape(image, (None, None, 3))


def _limit(size: tf.Tensor) -> tf.Operation:
    pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    return tf.raw_ops.Assert(condition=pixels <= MAX_PIXELS, data=["too many pixels", pixels])


def _upright(image: tf.Tensor, encoded: tf.Tensor) -> tf.Tensor:
    """Undoes what the EXIF orientation of a JPEG says was done to the picture."""
    orientation = exif_orientation(encoded)

    def turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
        order = tf.where(orientation > 4, [1, 0, 2], [0, 1, 2])  # from 5 on, rows and columns are exchanged
        step = (orientation - 1) % 4
        flipped = tf.stack([step >= 2, (step == 1) | (step == 2), False])
        return tf.raw_ops.Reverse(tensor=tf.transpose(image, order), dims=flipped)

    return either(orientation == 1, lambda image, _: image, turned, image, orientation)
