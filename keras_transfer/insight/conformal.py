"""Sets of classes that hold the true one with a chance that is stated."""

from __future__ import annotations

import math

import numpy as np

from keras_transfer._checks import DataError


def smallest_possible(probabilities: np.ndarray, labels: np.ndarray, coverage: float) -> float:
    """Returns the probability from which on a class belongs to the set of those that are possible.

    For new images like these, the set holds the true class with at least the chance `coverage`, on average over all
    draws of the images: split conformal prediction with the score `1 - probability of the true class`, of Sadinle, Lei,
    Wasserman, "Least Ambiguous Set-Valued Classifiers With Bounded Error Levels" (2019), section 2,
    https://arxiv.org/abs/1609.00451, with the rank `(n + 1) * coverage` of Vovk et al. It says nothing of single
    classes or of images of another kind.

    Args:
        probabilities: float `(count, num_classes)`, of images that the model was not trained on.
        labels: the true classes, integers `(count,)`.
        coverage: in (0, 1).

    Raises:
        DataError: if there are too few images for this coverage.

    Example:
        >>> true = np.array([0.9, 0.8, 0.7, 0.6])
        >>> float(smallest_possible(np.stack([true, 1 - true], axis=1), np.zeros(4, int), 0.8))
        0.6
    """
    count = len(labels)
    rank = max(math.ceil((count + 1) * coverage - 1e-9), 1)
    if rank > count:
        least = math.ceil(coverage / (1 - coverage) - 1e-9)
        raise DataError(f"Expected {least} validation images or more for coverage={coverage:g}. Received: {count}.")
    true = np.take_along_axis(probabilities, labels.astype(int).reshape(-1, 1), axis=1)[:, 0]
    return np.sort(true)[::-1][rank - 1]
