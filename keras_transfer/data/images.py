"""From the bytes of an image file to the pixels a network sees: one code path for training and serving.

Everything here is made of TensorFlow operations, so that the same function runs in tf.data and in an exported graph.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_transfer._registry import Registry

Resize = Callable[[tf.Tensor, tuple[int, int]], tf.Tensor]
RESIZES: Registry[Resize] = Registry("resize")

_EXIF_WINDOW = 1 << 17  # cameras write EXIF first, in a segment of at most 64 KiB
_ORIENTATION_TAG = 0x0112


def load_image(encoded: tf.Tensor, image_size: tuple[int, int], resize: str) -> tf.Tensor:
    """Decodes, turns upright and resizes one image: what training, evaluation and serving all call.

    Args:
        encoded: scalar string, the bytes of a JPEG, PNG, GIF (first frame), BMP or WebP file.
        image_size: (height, width) in pixels.
        resize: "crop", "pad" or "stretch".

    Returns:
        float32 `(height, width, 3)` in [0, 255].
    """
    image = RESIZES.find(resize)(decode(encoded), image_size)
    image.set_shape((*image_size, 3))
    return image


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes one image to RGB and turns it the way its EXIF orientation says.

    Grey and palette images become RGB, transparency is dropped, 16 bits become 8.

    Returns:
        uint8 `(height, width, 3)` in [0, 255].

    Raises:
        tf.errors.InvalidArgumentError: if the bytes are not an image TensorFlow can decode.
    """
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image.set_shape((None, None, 3))
    return _turn(image, exif_orientation(encoded))


def exif_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the orientation that a camera wrote into a JPEG file, without leaving the graph.

    Exif 2.32, section 4.6.4, tag 0x0112. Bytes that make no sense count as no orientation.

    Returns:
        Scalar int32 in 1 to 8; 1 for other formats and for files without it.
    """
    raw = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 0, _EXIF_WINDOW), tf.uint8), tf.int64)
    raw = tf.concat([raw, tf.zeros([16], tf.int64)], axis=0)
    size = tf.size(raw, out_type=tf.int64)

    def byte(position: tf.Tensor) -> tf.Tensor:
        return tf.gather(raw, tf.clip_by_value(position, 0, size - 1))

    def big16(position: tf.Tensor) -> tf.Tensor:
        return byte(position) * 256 + byte(position + 1)

    def is_exif(position: tf.Tensor) -> tf.Tensor:
        return (big16(position) == 0xFFE1) & (big16(position + 4) == 0x4578) & (big16(position + 6) == 0x6966)

    def is_other_segment(position: tf.Tensor) -> tf.Tensor:
        before_pixels = (byte(position) == 0xFF) & (byte(position + 1) != 0xDA) & (position < size - 16)
        return before_pixels & ~is_exif(position)

    def next_segment(position: tf.Tensor) -> list[tf.Tensor]:
        return [position + 2 + tf.maximum(big16(position + 2), 2)]

    start = tf.constant(2, tf.int64)
    (segment,) = tf.while_loop(is_other_segment, next_segment, [start])
    tiff = segment + 10
    little = byte(tiff) == 0x49

    def read16(position: tf.Tensor) -> tf.Tensor:
        return tf.where(little, byte(position) + byte(position + 1) * 256, big16(position))

    offset = tf.where(
        little,
        read16(tiff + 4) + read16(tiff + 6) * 65536,
        read16(tiff + 4) * 65536 + read16(tiff + 6),
    )
    entries = tiff + offset + 2 + 12 * tf.range(tf.minimum(read16(tiff + offset), 512))
    values = tf.boolean_mask(read16(entries + 8), read16(entries) == _ORIENTATION_TAG)
    orientation = tf.concat([values, [1]], axis=0)[0]
    valid = (big16(tf.constant(0, tf.int64)) == 0xFFD8) & is_exif(segment) & (orientation >= 1) & (orientation <= 8)
    return tf.cast(tf.where(valid, orientation, 1), tf.int32)


def _turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Undoes what each EXIF orientation says was done to the picture."""
    upright = tf.switch_case(
        orientation - 1,
        [
            lambda: image,
            lambda: image[:, ::-1],
            lambda: image[::-1, ::-1],
            lambda: image[::-1],
            lambda: tf.transpose(image, (1, 0, 2)),
            lambda: tf.transpose(image, (1, 0, 2))[:, ::-1],
            lambda: tf.transpose(image, (1, 0, 2))[::-1, ::-1],
            lambda: tf.transpose(image, (1, 0, 2))[::-1],
        ],
    )
    upright.set_shape((None, None, 3))
    return upright


@RESIZES.register("crop")
def crop(image: tf.Tensor, image_size: tuple[int, int]) -> tf.Tensor:
    """Keeps the aspect: cuts out the largest centred part of the wanted shape and resizes it."""
    height, width = image_size
    whole = tf.shape(image)
    scale = tf.minimum(whole[0] / height, whole[1] / width)
    part = tf.maximum(tf.cast(tf.round(scale * [height, width]), tf.int32), 1)
    part = tf.minimum(part, whole[:2])
    top_left = (whole[:2] - part) // 2
    return stretch(tf.slice(image, [*tf.unstack(top_left), 0], [*tf.unstack(part), 3]), image_size)


@RESIZES.register("pad")
def pad(image: tf.Tensor, image_size: tuple[int, int]) -> tf.Tensor:
    """Keeps the aspect and the whole picture: resizes it to fit and fills the rest with black."""
    return tf.image.resize_with_pad(image, *image_size, antialias=True)


@RESIZES.register("stretch")
def stretch(image: tf.Tensor, image_size: tuple[int, int]) -> tf.Tensor:
    """Resizes both sides, bilinear with antialiasing; the aspect changes."""
    return tf.image.resize(image, image_size, antialias=True)
