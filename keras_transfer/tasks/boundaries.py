"""Outlines of the parts of an image that have a class, and how well they are found."""

from __future__ import annotations

import numpy as np

from keras_transfer.tasks.several_labels import UNKNOWN

_NEAR = 2  # pixels


def boundary_scores(said: np.ndarray, true: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the F1 of the outlines of each class in each image, in [0, 1]: float64 `(count, num_classes)`.

    An outline pixel is found where one of the other map lies within two pixels. It is not-a-number where neither map
    has an outline of the class.

    Args:
        said: classes of pixels, int `(count, height, width)`, -1 where they do not count.
        true: the same, as they are.
        num_classes: number of classes.

    Example:
        >>> left, right = np.array([[[0, 0, 1, 1, 1, 1, 1, 1]]]), np.array([[[0, 0, 0, 0, 0, 0, 0, 1]]])
        >>> boundary_scores(left, left, 2), boundary_scores(left, right, 2)
        (array([[1., 1.]]), array([[0., 0.]]))
    """
    scores = np.full((len(true), num_classes), np.nan)
    for index, maps in enumerate(zip(said, true, strict=True)):
        first, second = (_outlines(each, num_classes) for each in maps)
        hits = [
            (one & _within(other)).sum(axis=(0, 1)) / np.maximum(one.sum(axis=(0, 1)), 1)
            for one, other in ((first, second), (second, first))
        ]
        total = np.maximum(hits[0] + hits[1], np.finfo(float).tiny)
        there = first.any(axis=(0, 1)) | second.any(axis=(0, 1))
        scores[index, there] = (2 * hits[0] * hits[1] / total)[there]
    return scores


def _outlines(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the pixels with a neighbour of another class on one of four sides: bool `(height, width, classes)`."""
    edge = np.zeros(classes.shape, bool)
    for axis in (0, 1):
        one, other = np.moveaxis(classes, axis, 0)[:-1], np.moveaxis(classes, axis, 0)[1:]
        differ = (one != other) & (one != UNKNOWN) & (other != UNKNOWN)
        along = np.moveaxis(edge, axis, 0)
        along[:-1] |= differ
        along[1:] |= differ
    return edge[..., np.newaxis] & (classes[..., np.newaxis] == np.arange(num_classes))


def _within(outlines: np.ndarray) -> np.ndarray:
    """Returns where an outline lies within two pixels: bool, of the same shape."""
    from scipy.ndimage import binary_dilation

    rows, columns = np.mgrid[-_NEAR : _NEAR + 1, -_NEAR : _NEAR + 1]
    disc = rows**2 + columns**2 <= _NEAR**2
    return binary_dilation(outlines, disc[..., np.newaxis])
