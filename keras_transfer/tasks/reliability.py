"""Reliability: how far probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keras_transfer.plots.curves import plot_reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 15  # of equal width, as in the experiments of Guo et al.


@dataclass(frozen=True, eq=False)
class Reliability:
    """Answers in bins of equal width of their probability. Of 100 answers with probability 0.8, 80 should be right.

    Of one class an image, the answer is the class with the largest probability; of several labels, each label is one
    that is right where it is on the image.

    Attributes:
        count: int `(bins,)`, answers in each bin.
        confidence: float `(bins,)`, their mean probability in [0, 1]; 0 for none.
        accuracy: float `(bins,)`, the share of them that is right, in [0, 1]; 0 for none.
    """

    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
        """Sorts answers into bins.

        Args:
            probabilities: of each answer, float `(answers,)` in [0, 1].
            right: whether each is right, bool `(answers,)`.
            bins: number of bins.
        """
        place = np.clip(np.ceil(probabilities * bins).astype(int) - 1, 0, bins - 1)
        count = np.bincount(place, minlength=bins)
        most = np.maximum(count, 1)
        sums = (np.bincount(place, weights, minlength=bins) for weights in (probabilities, right))
        confidence, accuracy = (total / most for total in sums)
        return cls(count, confidence, accuracy)

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: the mean over answers of how far the two numbers of their bin differ.

        Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017), eq. 3,
        https://arxiv.org/abs/1706.04599. With few answers it is above 0 even where probabilities are right: chance
        alone gives 0.024 on average for 100 answers with a probability of 0.9.

        Example:
            >>> Reliability.of(np.array([0.9, 0.9, 0.9, 0.9]), np.array([True, True, True, False])).error
            0.15
        """
        return round(float(self.count @ np.abs(self.accuracy - self.confidence) / max(self.count.sum(), 1)), 12)

    def plot(self) -> Figure:
        """Draws the share that is right over the probability, with the number of answers in each bin."""
        return plot_reliability(self.count, self.confidence, self.accuracy)
