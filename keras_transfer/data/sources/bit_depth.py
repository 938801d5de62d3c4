"""Bit depth: which values stand for black and white in a set, as X-rays and microscopes use 12 of 16 bits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from rich.progress import track

from keras_transfer.data.examples import Examples
from keras_transfer.data.files import decodable
from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.formats.naming import file_of, page_of
from keras_transfer.data.formats.translating import is_foreign, picture_of, range_of
from keras_transfer.data.pixels.headers import is_deep_png

_HEAD = 25  # bytes, the last of which is the bit depth of a PNG file
_PROGRESS_FROM = 200  # files are decoded whole for this
_WORKERS = 4


@dataclass(frozen=True)
class Values:
    """The values of a picture with more than 8 bits.

    Attributes:
        low: the smallest.
        high: the largest.
        whole: they are whole numbers.
        window: the file says itself which are black and white.
    """

    low: float
    high: float
    whole: bool = True
    window: bool = False


def used_range(examples: Examples, side: int) -> tuple[float, float] | None:
    """Returns the values that stand for black and white in pictures with more than 8 bits; see `common_range`.

    Args:
        examples: the images to train on.
        side: the longer side of the size wanted, in pixels.
    """
    if not (examples.encoded or examples.in_files):
        return None
    return common_range(deep_values(examples.items, examples.encoded, side).values())


def common_range(found: Collection[Values]) -> tuple[float, float] | None:
    """Returns black and white for pictures that are measured together, so that equal values stay equal.

    Returns:
        `range_of` the smallest and the largest value; None if there are none, or each file names its own window.
    """
    if all(values.window for values in found):
        return None
    low, high = min(values.low for values in found), max(values.high for values in found)
    return range_of(low, high, all(values.whole for values in found))


def deep_values(items: Sequence[Any] | np.ndarray, encoded: bool, side: int) -> dict[Any, Values]:
    """Measures the pictures with more than 8 bits a channel.

    Args:
        items: paths of files, or their bytes.
        encoded: the items are bytes.
        side: the longer side of the size wanted, in pixels.

    Returns:
        The values of each such item.
    """
    png = [item for item in items if _is_deep(item)]
    found = {png[index]: Values(0, int(value)) for index, value in decodable(png, side, encoded, _largest)}
    return found if encoded else found | _measured([item for item in items if is_foreign(item)])


def _measured(paths: Sequence[str]) -> dict[str, Values]:
    with ThreadPoolExecutor(_WORKERS) as pool:
        found: Iterable[Values | None] = pool.map(_values, paths)
        if len(paths) >= _PROGRESS_FROM:
            found = track(found, "measuring", total=len(paths), transient=True)
        return {path: values for path, values in zip(paths, found, strict=True) if values is not None}


def _values(path: str) -> Values | None:
    """Returns the values of a picture in a format that TensorFlow cannot decode; None if it has 8 bits."""
    try:
        picture = picture_of(file_of(path).read_bytes(), page_of(path))
    except (OSError, FormatError):  # changed since it was listed: reading says so, by its name
        return None
    if picture is None or (picture.values.dtype in (np.uint8, bool) and picture.window is None):
        return None
    values = picture.values
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not known.size:
        return None
    return Values(float(known.min()), float(known.max()), values.dtype.kind in "ui", picture.window is not None)


def _is_deep(item: Any) -> bool:
    if isinstance(item, bytes):
        head = item[:_HEAD]
    elif str(item).lower().endswith(".png"):
        try:
            with Path(item).open("rb") as file:
                head = file.read(_HEAD)
        except OSError:  # gone since it was listed: reading says so, by its name
            return False
    else:
        return False
    return head.startswith(b"\x89PNG") and head[_HEAD - 1 :] == b"\x10"


def _largest(content: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Finds the largest value of a picture; 0 for one with 8 bits."""

    def of_deep() -> tf.Tensor:
        return tf.reduce_max(tf.cast(tf.io.decode_png(content, dtype=tf.uint16), tf.int32))

    return tf.cond(is_deep_png(content), of_deep, lambda: 0)
