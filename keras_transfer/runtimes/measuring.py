"""Measuring: how far numbers are from those of the SavedModel, how good they are, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import numpy as np

from keras_transfer.runtimes.frozen import Answer

_TURNS, _CALLS = 7, 5


def differences(numbers: np.ndarray, expected: np.ndarray, activation: str) -> np.ndarray:
    """Returns how far each number is from the expected one, float64 `(count, num_classes)`.

    Probabilities as they are; values of a regression in shares of the largest expected one, if that is above 1.
    """
    scale = max(1.0, float(np.abs(expected).max())) if activation == "linear" else 1.0
    return np.abs(numbers.astype(np.float64) - expected) / scale


def agreement(numbers: np.ndarray, expected: np.ndarray, activation: str) -> float | None:
    """Returns the share of pictures with the same class, or of labels with the same answer; None for regression.

    Example:
        >>> agreement(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.6, 0.4], [0.5, 0.5]]), "softmax")
        0.5
    """
    if activation == "linear":
        return None
    if activation == "sigmoid":
        return float(((numbers > 0.5) == (expected > 0.5)).mean())
    return float((numbers.argmax(axis=1) == expected.argmax(axis=1)).mean())


def accuracy(numbers: np.ndarray, labels: np.ndarray | None, activation: str) -> float | None:
    """Returns the share of right classes, or of right labels; None for regression and without labels.

    Example:
        >>> accuracy(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]), "softmax")
        0.5
    """
    if labels is None or activation == "linear":
        return None
    if activation == "sigmoid":
        return float(((numbers > 0.5) == (labels.reshape(numbers.shape) > 0.5)).mean())
    true = labels.argmax(axis=1) if labels.ndim == 2 else labels
    return float((numbers.argmax(axis=1) == true).mean())


def milliseconds(answers: Mapping[str, Answer], image: np.ndarray) -> dict[str, float]:
    """Times one picture at a time, the runtimes in turn, in alternating order; returns the median of each.

    Each turn begins with a call that is not counted: threads of the runtime before may still be spinning.
    """
    taken: dict[str, list[float]] = {name: [] for name in answers}
    for turn in range(_TURNS):
        for name in list(answers)[:: 1 if turn % 2 == 0 else -1]:
            answers[name](image)
            for _ in range(_CALLS):
                start = time.perf_counter()
                answers[name](image)
                taken[name].append(1000 * (time.perf_counter() - start))
    return {name: median(times) for name, times in taken.items()}
