"""What the first bytes of an image file say, read without decoding it: its size, and which way it is turned."""

from __future__ import annotations

import tensorflow as tf

_EXIF_WINDOW = 4096  # bytes; the orientation stands in the first entries of the first segments
_ORIENTATION_TAG = 0x0112


def is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Says whether bytes begin like a JPEG file."""
    return tf.equal(tf.strings.substr(encoded, 0, 2), b"\xff\xd8")


def announced_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width from the head of a file, without decoding it and without leaving the graph.

    Returns:
        int64 `(2,)`; for a JPEG as it is stored, before its orientation. 0 for bytes that are no image.
    """
    return tf.cond(
        is_jpeg(encoded),
        lambda: tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64),
        lambda: _size_in_head(encoded),
    )


def _size_in_head(encoded: tf.Tensor) -> tf.Tensor:
    """Finds the size in a PNG, GIF, BMP or WebP file, where their specifications put it."""
    start = tf.strings.join([tf.strings.substr(encoded, 0, 32), b"\0" * 32])
    head = tf.cast(tf.io.decode_raw(start, tf.uint8), tf.int64)

    def number(start: int, count: int, *, big: bool = False) -> tf.Tensor:
        powers = [256**place for place in range(count)]
        return tf.reduce_sum(head[start : start + count] * (powers[::-1] if big else powers))

    def begins(signature: bytes, at: int = 0) -> tf.Tensor:
        return tf.equal(tf.strings.substr(start, at, len(signature)), signature)

    lossless = number(21, 4)
    sizes = [
        (begins(b"\x89PNG"), number(20, 4, big=True), number(16, 4, big=True)),
        (begins(b"GIF8"), number(8, 2), number(6, 2)),
        # the height of a BMP is signed: a negative one says that the rows begin at the top
        (begins(b"BM"), tf.minimum(number(22, 4), 2**32 - number(22, 4)), number(18, 4)),
        (begins(b"VP8X", 12), number(27, 3) + 1, number(24, 3) + 1),
        (begins(b"VP8L", 12), (lossless // 2**14) % 2**14 + 1, lossless % 2**14 + 1),
        (begins(b"VP8 ", 12), number(28, 2) % 2**14, number(26, 2) % 2**14),
    ]
    found = tf.zeros(2, tf.int64)
    for fits, height, width in sizes:
        found = tf.where(fits, tf.stack([height, width]), found)
    return tf.minimum(found, 2**31 - 1)  # so that their product is a number


def has_exif(encoded: tf.Tensor) -> tf.Tensor:
    """Says whether the first 4 KiB of a file hold an EXIF segment."""
    return tf.strings.regex_full_match(tf.strings.substr(encoded, 0, _EXIF_WINDOW), r"\C*Exif\x00\x00\C*")


def exif_orientation(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the orientation that a camera wrote into a JPEG file, without leaving the graph.

    Exif 2.32, section 4.6.4, tag 0x0112, in the first 4 KiB of the file. Bytes that make no sense count as no
    orientation.

    Returns:
        Scalar int32 in 1 to 8; 1 for other formats and for files without it.
    """
    parts = tf.strings.split(tf.strings.substr(encoded, 0, _EXIF_WINDOW), b"Exif\0\0")
    found = is_jpeg(encoded) & (tf.size(parts) > 1)
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
