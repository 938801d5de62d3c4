"""Bit depth: how many of 16 bits the pictures of a set use, as X-rays and microscopes use twelve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_transfer.data.examples import Examples
from keras_transfer.data.files import decodable
from keras_transfer.data.pixels.headers import is_deep_png
from keras_transfer.data.pixels.images import DEEP

_HEAD = 25  # bytes, the last of which is the bit depth of a PNG file


def used_range(examples: Examples, side: int) -> tuple[float, float]:
    """Returns the values that stand for black and white in pictures with 16 bits: those of the fewest bits they need.

    All pictures are measured together, so that equal values stay equal. Without such pictures it is (0, 65535).

    Args:
        examples: the images to train on.
        side: the longer side of the size wanted, in pixels.
    """
    if not (examples.encoded or examples.in_files):
        return DEEP
    found = deep_ones(examples.items)
    largest = max((int(value) for _, value in decodable(found, side, examples.encoded, _largest)), default=0)
    return (0.0, float(2 ** largest.bit_length() - 1)) if largest else DEEP


def deep_ones(items: Iterable[Any]) -> Sequence[Any]:
    """Returns the PNG files with 16 bits a channel, of paths or of the bytes of files."""
    return [item for item in items if _is_deep(item)]


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
