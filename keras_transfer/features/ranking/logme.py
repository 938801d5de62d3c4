"""LogME: the evidence of a linear model from the features to the labels."""

from __future__ import annotations

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer.features.ranking.evidence import RANKINGS, Evidence

_STEPS, _STILL = 100, 1e-4  # of the fixed point, and the relative change at which it ends
_TINY = 1e-12


@RANKINGS.register("logme")
def logme(evidence: Evidence) -> float:
    """Returns the largest `log p(y | F, alpha, beta) / n`, a mean over the outputs; higher is better.

    A linear model `y = F w + noise` has weights of variance 1 / alpha and noise of variance 1 / beta; both are chosen
    so that the labels are most probable. You, Liu, Wang and Long, "LogME: Practical Assessment of Pre-trained Models
    for Transfer Learning" (2021), equations 2 and 3, https://arxiv.org/abs/2102.11005, by the fixed point of You, Liu,
    Zhang, Wang, Jordan and Long, "Ranking and Tuning Pre-trained Models" (2022), algorithm 3,
    https://arxiv.org/abs/2110.10545. Labels that are not known are left out, and outputs for
    which all images are alike.

    Raises:
        DataError: if the images are alike for every output.
    """
    features, targets = evidence.features.astype(np.float64), evidence.targets
    targets = targets[:, [len(np.unique(column[~np.isnan(column)])) > 1 for column in targets.T]]
    if not targets.shape[1]:
        raise DataError("Expected images of two classes or more, or different values. Received: all alike.")
    known = ~np.isnan(targets)
    if known.all():
        directions = _Directions(features)
        return float(np.mean([directions.evidence(target) for target in targets.T]))
    each = [_Directions(features[some]).evidence(target[some]) for target, some in zip(targets.T, known.T, strict=True)]
    return float(np.mean(each))


class _Directions:
    """The left singular vectors of features `(images, features)` and the squares of the singular values."""

    def __init__(self, features: np.ndarray):
        self.left, values, _ = np.linalg.svd(features, full_matrices=False)
        self.squares = values**2

    def evidence(self, target: np.ndarray) -> float:
        """Returns the largest logarithm of the evidence for one column of labels, over the number of images."""
        count, squares = len(target), self.squares
        along = (self.left.T @ target) ** 2
        beside = max(float(target @ target - along.sum()), 0.0)
        ratio = 1.0  # alpha / beta
        for _ in range(_STEPS):
            size, rest, used = self._parts(ratio, along, beside)
            alpha, beta = used / max(size, _TINY), (count - used) / max(rest, _TINY)
            before, ratio = ratio, max(alpha / beta, _TINY)
            if abs(ratio - before) <= _STILL * before:
                break
        size, rest, _ = self._parts(ratio, along, beside)
        alpha, beta = max(alpha, _TINY), max(beta, _TINY)
        # directions in which the features do not vary add log(alpha) / 2 and take it off again
        found = len(squares) * np.log(alpha) + count * np.log(beta) - np.log(alpha + beta * squares).sum()
        return float(found - beta * rest - alpha * size - count * np.log(2 * np.pi)) / 2 / count

    def _parts(self, ratio: float, along: np.ndarray, beside: float) -> tuple[float, float, float]:
        """Returns the squared weights, the squared errors and the number of weights that the data determine."""
        shares = self.squares / (self.squares + ratio)
        size = float((self.squares * along / (self.squares + ratio) ** 2).sum())
        return size, float((along * (1 - shares) ** 2).sum()) + beside, float(shares.sum())
