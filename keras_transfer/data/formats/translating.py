"""Pictures of any format as 8 bits that TensorFlow decodes, and the reading of files in a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.data.formats.format import FORMATS, HEAD, FormatError, Picture
from keras_transfer.data.formats.naming import NATIVE, file_of, format_named, image_format, page_of

Range = tuple[float, float]
_NATIVE_SUFFIXES = tuple(suffix for name in NATIVE for suffix in FORMATS.find(name).suffixes)


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether the end of a file's name stands for a format that TensorFlow cannot decode."""
    if os.fspath(path).lower().endswith(_NATIVE_SUFFIXES):  # asked of each of many files
        return False
    name = format_named(path)
    return name is not None and name not in NATIVE


def picture_of(content: bytes, page: int = 0) -> Picture | None:
    """Reads a picture from the bytes of a file; None if TensorFlow decodes them, or nobody does.

    Raises:
        FormatError: if it cannot be decoded.
    """
    name = image_format(content[:HEAD])
    opened = None if name is None else FORMATS.find(name).open
    if opened is None:
        return None
    file = opened(content)
    if page >= file.pages:
        raise FormatError(f"has {file.pages} pages, and no page {page + 1}")
    return file.read(page)


def as_bmp(content: bytes, page: int = 0, pixel_range: Range | None = None) -> bytes:
    """Returns a picture as the bytes of a BMP file with 8 bits; those of a format TensorFlow decodes as they are.

    Args:
        content: bytes of a file.
        page: index of the picture in the file.
        pixel_range: the values that become black and white; None for the window that the file names, or else the
            range that the picture's own values need.

    Raises:
        FormatError: if it cannot be decoded.
    """
    picture = picture_of(content, page)
    return content if picture is None else _encoded(in_bytes(picture, pixel_range), "BMP")


def in_bytes(picture: Picture, pixel_range: Range | None = None) -> np.ndarray:
    """Returns a picture as uint8 `(height, width, 3)`; see `as_bmp`. Transparency is dropped."""
    values = picture.values.reshape(*picture.values.shape[:2], -1)
    values = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values[..., :3]
    if values.dtype == bool:
        values = values * np.uint8(255)
    elif values.dtype != np.uint8 or (picture.window is not None and pixel_range is None):
        black, white = pixel_range or picture.window or _own_range(values)
        scaled = (values.astype(np.float32) - np.float32(black)) * np.float32(255 / (white - black))
        values = np.round(np.clip(np.nan_to_num(scaled), 0, 255)).astype(np.uint8)
    return 255 - values if picture.inverted else values


def range_of(low: float, high: float, whole: bool) -> Range:
    """Returns the values that stand for black and white in pictures of which the smallest and largest are known.

    For whole numbers from 0 on those of the fewest bits that hold them, but 8 or more; for numbers in [0, 1] these; for
    all others the smallest and the largest.

    Example:
        >>> range_of(3, 4000, whole=True), range_of(0.2, 0.8, whole=False), range_of(-1000, 2000, whole=True)
        ((0.0, 4095.0), (0.0, 1.0), (-1000, 2000))
    """
    if low >= 0 and whole:
        return (0.0, float(2 ** max(int(high).bit_length(), 8) - 1))
    if low >= 0 and high <= 1:
        return (0.0, 1.0)
    return (low, high if high > low else low + 1)


def read_file(path: str | os.PathLike[str], pixel_range: Range | None = None) -> bytes:
    """Returns the bytes of a file, as `as_bmp` does.

    Raises:
        OSError: if it cannot be read.
        FormatError: if it cannot be decoded.
    """
    return as_bmp(file_of(path).read_bytes(), page_of(path), pixel_range)


def reader(paths: Iterable[Any], pixel_range: Range | None = None) -> Any:
    """Returns a function of TensorFlow that reads one of these files: from a scalar string to the bytes.

    Where all files are of formats that TensorFlow decodes, it is `tf.io.read_file`.
    """
    if not any(is_foreign(os.fsdecode(path)) for path in paths):
        return tf.io.read_file

    def read(path: bytes) -> np.ndarray:
        # as an array of bytes it would lose the zeros at its end
        return np.array(read_file(os.fsdecode(path), pixel_range), dtype=object)

    def content(path: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            return tf.constant(read_file(os.fsdecode(path.numpy()), pixel_range))
        return tf.ensure_shape(tf.numpy_function(read, [path], tf.string), ())

    return content


def formats_read(paths: Iterable[Any]) -> frozenset[str]:
    """Returns the formats of the bytes that `reader` gives of files that are what they are named; all, if unknown.

    Example:
        >>> sorted(formats_read(["leaf.png", "Leaf.JPG", "scan.dcm"]))
        ['BMP', 'JPEG', 'PNG']
    """
    endings = {os.fsdecode(path).rpartition(".")[2] for path in paths}
    names = {format_named(f"file.{ending}") for ending in endings}
    return NATIVE if None in names else frozenset(name if name in NATIVE else "BMP" for name in names)


def as_png(path: str | os.PathLike[str], pixel_range: Range | None = None) -> bytes:
    """Returns a file in any format as the bytes of a PNG file with 8 bits, to send to a served model.

    Args:
        path: of a file; `scan.tif#page=2` is the second picture of a file.
        pixel_range: that of the training data, which the description of the export has.

    Raises:
        OSError: if it cannot be read.
        FormatError: if it cannot be decoded.
    """
    content = file_of(path).read_bytes()
    picture = picture_of(content, page_of(path))
    return content if picture is None else _encoded(in_bytes(picture, pixel_range), "PNG")


def _own_range(values: np.ndarray) -> Range:
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return range_of(float(known.min()), float(known.max()), values.dtype.kind in "ui") if known.size else (0.0, 1.0)


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()
