"""From the bytes of an image file to the pixels a network sees: one code path for training and serving.

Everything here is made of TensorFlow operations, so that the same function runs in tf.data and in an exported graph.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_transfer._registry import Registry

Resize = Callable[[tf.Tensor, tuple[int, int]], tf.Tensor]
RESIZES: Registry[Resize] = Registry("resize")

_EXIF_WINDOW = 4096  # bytes; the orientation stands in the first entries of the first segments
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


@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)  # traced once for all pipelines
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

    Exif 2.32, section 4.6.4, tag 0x0112, in the first 4 KiB of the file. Bytes that make no sense count as no
    orientation.

    Returns:
        Scalar int32 in 1 to 8; 1 for other formats and for files without it.
    """
    is_jpeg = tf.equal(tf.strings.substr(encoded, 0, 2), b"\xff\xd8")
    parts = tf.strings.split(tf.strings.substr(encoded, 0, _EXIF_WINDOW), b"Exif\0\0")
    found = is_jpeg & (tf.size(parts) > 1)
    return tf.cond(found, lambda: _orientation(tf.strings.join([parts[1], b"\0" * 16])), lambda: tf.constant(1))


def _orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Finds the orientation in the TIFF structure of an EXIF segment (TIFF 6.0, section 2)."""
    raw = tf.io.decode_raw(tiff, tf.uint8)
    size = tf.size(raw)

    def byte(position: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(raw, tf.clip_by_value(position, 0, size - 1)), tf.int32)

    little = byte(0) == ord("I")

    def read16(position: tf.Tensor) -> tf.Tensor:
        first, second = byte(position), byte(position + 1)
        return tf.where(little, first + second * 256, first * 256 + second)

    directory = read16(tf.where(little, 4, 6))  # the low half of the offset; the window is smaller than 64 KiB
    entries = directory + 2 + 12 * tf.range(tf.minimum(read16(directory), 512))
    values = tf.boolean_mask(read16(entries + 8), read16(entries) == _ORIENTATION_TAG)
    orientation = tf.concat([values, [1]], axis=0)[0]
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)


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
    height, width = image_size
    whole = tf.shape(image)[:2]
    scale = tf.reduce_min([height, width] / whole)
    part = tf.clip_by_value(tf.cast(tf.round(scale * tf.cast(whole, tf.float64)), tf.int32), 1, [height, width])
    top, left = tf.unstack(([height, width] - part) // 2)
    resized = tf.image.resize(image, part, antialias=True)
    return tf.image.pad_to_bounding_box(resized, top, left, height, width)


@RESIZES.register("stretch")
def stretch(image: tf.Tensor, image_size: tuple[int, int]) -> tf.Tensor:
    """Resizes both sides, bilinear with antialiasing; the aspect changes."""
    return tf.image.resize(image, image_size, antialias=True)
