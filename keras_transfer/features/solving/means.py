"""Class means: the vectors by which the nearest class is found, a start for cosine heads."""

from __future__ import annotations

import numpy as np

from keras_transfer.features.solving.rows import Rows


def class_means(rows: Rows, classes: int) -> np.ndarray:
    """Returns for each class the mean of its unit vectors, as a unit vector.

    Snell and others, "Prototypical Networks for Few-shot Learning" (2017), equation 1,
    https://arxiv.org/abs/1703.05175, with the cosine in place of the distance.

    Args:
        rows: features, and labels that are numbers of classes. The weights are not used: they would only scale.
        classes: their number.

    Returns:
        float32 `(features, classes)`; random directions for classes without rows.
    """
    found = np.zeros((rows.width, classes))
    for features, labels, _ in rows.blocks():
        unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        np.add.at(found.T, labels, unit)
    missing = np.linalg.norm(found, axis=0) == 0
    found[:, missing] = np.random.default_rng(0).normal(size=(rows.width, int(missing.sum())))
    return (found / np.linalg.norm(found, axis=0)).astype(np.float32)
