"""Measuring: how far numbers are from those of the SavedModel, how good they are, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import numpy as np
from sklearn.metrics import f1_score

from keras_transfer.runtimes.frozen import Answer

_TURNS, _CALLS = 7, 5


def differences(numbers: np.ndarray, expected: np.ndarray, activation: str) -> np.ndarray:
    """Returns how far each number is from the expected one, float64 `(count, num_classes)`.

    Probabilities as they are; each value of a regression in shares of the largest that is expected of it.
    """
    largest = np.abs(expected).max(axis=0)
    scale = np.where(largest > 0, largest, 1) if activation == "linear" else 1.0
    return np.abs(numbers.astype(np.float64) - expected) / scale


def mean_difference(apart: np.ndarray, activation: str) -> float:
    """Returns one number for all `differences`, which is large however many classes share it.

    For one class of several, the mean over pictures of the total variation distance, half the sum of the differences;
    else the mean over pictures of the label or value where that is largest.

    Example:
        >>> mean_difference(np.array([[0.5, 0.25, 0.25, 0], [0, 0, 0, 0]]), "softmax")
        0.25
        >>> mean_difference(np.array([[0.5, 0], [0.25, 0]]), "sigmoid")
        0.375
    """
    return float(apart.sum(axis=1).mean() / 2 if activation == "softmax" else apart.mean(axis=0).max())


def agreement(numbers: np.ndarray, expected: np.ndarray, activation: str) -> float | None:
    """Returns the share of pictures with the same class; for several labels the F1 of those present; else None.

    F1 is that of all labels of all pictures together, those of the SavedModel taken as the truth: the many that are
    absent do not count.

    Example:
        >>> agreement(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.6, 0.4], [0.5, 0.5]]), "softmax")
        0.5
    """
    if activation == "linear":
        return None
    if activation == "sigmoid":
        return float(f1_score((expected > 0.5).ravel(), (numbers > 0.5).ravel(), zero_division=1.0))
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
