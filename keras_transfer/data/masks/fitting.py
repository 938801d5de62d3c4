"""Bringing masks to the size of training: each pixel gets one of the values, that of the place it shows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import tensorflow as tf

from keras_transfer.data.pixels.resizing import RESIZES


def fitted(mask: np.ndarray, image_size: tuple[int, int], resize: str, outside: int) -> np.ndarray:
    """Resizes a mask as pictures are resized, without mixing values.

    Args:
        mask: whole numbers `(height, width)`.
        image_size: (height, width) wanted.
        resize: name in `kt.available("resize")`.
        outside: the value of what lies outside of the picture, which "pad" adds.

    Example:
        >>> fitted(np.array([[0, 7], [0, 7]]), (4, 4), "stretch", -1)[0]
        array([0, 0, 7, 7])
    """
    rows, columns, inside = _sources(mask.shape, image_size, resize)
    return np.where(inside, mask[rows, columns], np.asarray(outside, mask.dtype))


@lru_cache(maxsize=64)  # most pictures of a set have the same size
def _sources(
    size: tuple[int, int], image_size: tuple[int, int], resize: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns row and column of the pixel nearest to what each resized pixel shows, and whether it shows any.

    An image whose values are its own coordinates goes through what resizes pictures: interpolated along a line, they
    say where a pixel comes from.
    """
    height, width = size
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    places = np.stack([rows, columns, np.ones(size, int)], axis=-1).astype(np.float32)
    row, column, there = np.moveaxis(RESIZES.find(resize)(tf.constant(places), image_size).numpy(), -1, 0)
    nearest = [
        np.clip(np.floor(each + 0.5).astype(int), 0, side - 1) for each, side in ((row, height), (column, width))
    ]
    return nearest[0], nearest[1], there > 0.5
