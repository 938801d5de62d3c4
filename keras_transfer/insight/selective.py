"""Answers that are given only where they are sure enough: "I do not know" below a probability."""

from __future__ import annotations

import numpy as np

from keras_transfer._checks import DataError

CONFIDENCE = 0.9


def smallest_known(probabilities: np.ndarray, labels: np.ndarray, accuracy: float) -> float:
    """Returns the probability of the likeliest class from which on it is given as an answer.

    Of the images that have an answer then, these show with a confidence of 90 % that at least the share `accuracy` is
    right. As many images as possible have an answer.

    Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks" (2017), lemma 3.1,
    https://arxiv.org/abs/1705.08500: the share of wrong answers is bounded by the binomial distribution. Departure: the
    bound holds for each probability by itself, and is not divided among all that are tried, which would leave sets of
    some hundred images without any answer.
    Since the probability is the best of many, what is promised is kept less often than 90 %: in simulations by 86 to
    91 % of all draws, and where probabilities tell nothing by 64 to 84 %, which then miss it by about a point.

    Args:
        probabilities: float `(count, num_classes)`, of images that the model was not trained on.
        labels: the true classes, integers `(count,)`.
        accuracy: in (0, 1).

    Raises:
        DataError: if no probability is high enough.

    Example:
        >>> sure = np.array([0.9] * 60 + [0.5] * 40)
        >>> probabilities = np.stack([sure, 1 - sure], axis=1)
        >>> labels = np.array([0] * 60 + [0, 1] * 20)  # at 0.5 half of the answers are wrong
        >>> smallest_known(probabilities, labels, 0.9)
        0.9
    """
    from scipy.stats import beta

    best = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels.astype(int)
    order = np.argsort(-best, kind="stable")
    falling, wrong = best[order], np.cumsum(~right[order])
    answered = np.arange(1, len(best) + 1)
    # upper end of the one-sided interval of Clopper and Pearson
    bounds = np.where(wrong == answered, 1.0, beta.ppf(CONFIDENCE, wrong + 1, np.maximum(answered - wrong, 1)))
    last_of_equals = np.append(falling[1:] < falling[:-1], True)
    good = np.flatnonzero((bounds <= 1 - accuracy) & last_of_equals)
    if not len(good):
        raise DataError(
            f"Expected validation images on which sure answers are right, for min_accuracy={accuracy:g}. Received: "
            f"{len(best)} images, {int(right.sum())} of them right, which do not show it for any probability. More "
            "validation images, or a lower accuracy, can."
        )
    return float(falling[good[-1]])
