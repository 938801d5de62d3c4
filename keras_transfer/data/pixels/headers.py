"""What the first bytes of an image file say, read without decoding it: its size, and which way it is turned."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

_HEAD = 32  # bytes, in which all but JPEGs tell their size
_EXIF_WINDOW = 4096  # bytes; the orientation stands in the first entries of the first segments
_ORIENTATION_TAG = 0x0112
_ENTRIES = np.arange(_EXIF_WINDOW // 12)  # of a directory, 12 bytes each


def is_jpeg(encoded: tf.Tensor) -> tf.Tensor:
    """Says whether bytes begin like a JPEG file."""
    return tf.equal(tf.strings.substr(encoded, 0, 2), b"\xff\xd8")


# beginnings as regular expressions, in which \C is any byte
_BEGINNINGS = {"PNG": r"\CPNG", "GIF": "GIF8", "BMP": "BM", "WebP": r"RIFF\C{4}WEBP"}


def begins_like(encoded: tf.Tensor, formats: frozenset[str]) -> tf.Tensor:
    """Says whether bytes begin like a file of one of these formats, of PNG, GIF, BMP and WebP."""
    beginnings = "|".join(_BEGINNINGS[name] for name in sorted(formats & _BEGINNINGS.keys()))
    return tf.strings.regex_full_match(tf.strings.substr(encoded, 0, 12), rf"(?:{beginnings})\C*")


def announced_size(encoded: tf.Tensor) -> tf.Tensor:
    """Reads height and width from the head of a file, without decoding it and without leaving the graph.

    Returns:
        int64 `(2,)`; for a JPEG as it is stored, before its orientation. 0 for bytes that are no image.
    """
    return tf.cond(
        is_jpeg(encoded),
        lambda: tf.cast(tf.image.extract_jpeg_shape(encoded)[:2], tf.int64),
        lambda: size_in_head(encoded),
    )


# What each format begins with and where, and the bytes, from the lowest on, in which its height and its width stand.
# A lossless WebP has both in one number.
_FORMATS = (
    (b"\x89PNG", 0, (23, 22, 21, 20), (19, 18, 17, 16)),
    (b"GIF8", 0, (8, 9), (6, 7)),
    (b"BM", 0, (22, 23, 24, 25), (18, 19, 20, 21)),
    (b"VP8X", 12, (27, 28, 29), (24, 25, 26)),
    (b"VP8L", 12, (21, 22, 23, 24), (21, 22, 23, 24)),
    (b"VP8 ", 12, (28, 29), (26, 27)),
)


def size_in_head(encoded: tf.Tensor) -> tf.Tensor:
    """Finds the size in a PNG, GIF, BMP or WebP file, where their specifications put it."""
    signatures, starts, *places = zip(*_FORMATS, strict=True)
    weights = np.zeros((2, len(_FORMATS), _HEAD), np.int64)  # of each byte in height and width
    for side, of_formats in enumerate(places):
        for row, bytes_of_number in enumerate(of_formats):
            weights[side, row, list(bytes_of_number)] = 256 ** np.arange(len(bytes_of_number))
    start = tf.strings.join([tf.strings.substr(encoded, 0, _HEAD), b"\0" * _HEAD])
    head = tf.cast(tf.io.decode_raw(start, tf.uint8)[:_HEAD], tf.int64)
    height, width = tf.unstack(tf.linalg.matvec(tf.constant(weights), head))
    # the height of a BMP is signed: a negative one says that the rows begin at the top
    bmp, extended, lossless, lossy = (
        np.array([s == of for s in signatures]) for of in (b"BM", b"VP8X", b"VP8L", b"VP8 ")
    )
    height = tf.where(bmp, tf.minimum(height, 2**32 - height), height // np.where(lossless, 2**14, 1))
    sizes = tf.stack([height, width], axis=1)
    sizes = sizes % np.where(lossless | lossy, 2**14, 2**32)[:, None] + (extended | lossless)[:, None].astype(int)
    lengths = [len(signature) for signature in signatures]
    fits = tf.equal(tf.strings.substr(tf.fill([len(_FORMATS)], start), starts, lengths), signatures)
    found = tf.reduce_sum(tf.where(fits[:, None], sizes, 0), axis=0)
    return tf.minimum(found, 2**31 - 1)  # so that their product is a number


def is_deep_png(encoded: tf.Tensor) -> tf.Tensor:
    """Says whether bytes begin like a PNG file with 16 bits a channel (PNG specification, section 11.2.1)."""
    return tf.strings.regex_full_match(tf.strings.substr(encoded, 0, 25), r"\CPNG\C{20}\x10")


def is_palette_bmp(encoded: tf.Tensor) -> tf.Tensor:
    """Says whether bytes begin like a BMP file with 8 bits a pixel, which are indices of a palette."""
    return tf.strings.regex_full_match(tf.strings.substr(encoded, 0, 30), r"BM\C{26}\x08\x00")


def bmp_palette(encoded: tf.Tensor) -> tf.Tensor:
    """Reads the palette of a BMP file with 8 bits a pixel: uint8 `(256, 3)` RGB. It follows the information header."""
    size = tf.cast(tf.io.decode_raw(tf.strings.substr(encoded, 14, 4), tf.int32)[0], tf.int32)
    start = tf.minimum(14 + tf.maximum(size, 0), tf.strings.length(encoded))
    held = tf.strings.join([tf.strings.substr(encoded, start, 1024), b"\0" * 1024])  # it may have fewer colours
    colours = tf.reshape(tf.io.decode_raw(held, tf.uint8)[:1024], (256, 4))
    return colours[:, 2::-1]  # they stand as blue, green, red, nothing


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
    # the TIFF structure of the EXIF segment (TIFF 6.0, section 2); the window is smaller than 64 KiB
    tiff = tf.strings.regex_replace(tf.strings.substr(encoded, 0, _EXIF_WINDOW), r"^\C*?Exif\x00\x00", b"")
    first = tf.cast(tf.io.decode_raw(tf.strings.join([tiff, b"\0" * 16]), tf.uint8), tf.int32)
    second = tf.concat([first[1:], [0]], axis=0)
    little = first[0] == ord("I")
    numbers = tf.where(little, first + second * 256, first * 256 + second)  # of 16 bits, at every byte

    def read(position: tf.Tensor) -> tf.Tensor:
        return tf.gather(numbers, tf.minimum(position, tf.size(numbers) - 1))

    directory = read(tf.where(little, 4, 6))
    entries = directory + 2 + 12 * _ENTRIES
    fits = (read(entries) == _ORIENTATION_TAG) & (read(directory) > _ENTRIES)
    value = read(entries[tf.argmax(tf.cast(fits, tf.int32), output_type=tf.int32)] + 8)
    good = is_jpeg(encoded) & has_exif(encoded) & tf.reduce_any(fits) & (value >= 1) & (value <= 8)
    return tf.where(good, value, 1)
