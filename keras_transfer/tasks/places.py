"""OnePerPlace: one class at each place of an example, such as a tag for each word or a class for each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.tasks.classification import Classification
from keras_transfer.tasks.several_labels import UNKNOWN
from keras_transfer.tasks.task import SMALLEST, Task

PLACE = Classification()  # what the class of a single place is


class OnePerPlace(Task):
    """One class at each place. Outputs are float `(count, ..., num_classes)`, probabilities that sum to 1 at each.

    Labels are int `(count, ..., 1)`, and -1 where there is none. Those places are passed over.
    """

    activation = "softmax"
    fewest_outputs = 2

    def has_form(self, labels: np.ndarray) -> bool:
        return labels.ndim == self.axes + 2 and labels.shape[-1] == 1 and labels.dtype.kind in "iu"

    def standardised(self, labels: np.ndarray) -> np.ndarray:
        if labels.min(initial=0) < UNKNOWN:
            raise DataError(f"Expected `labels` {self.form.format(count=len(labels))}. Received: {labels.min()}.")
        return labels.astype(np.int64)

    def counts(self, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
        """Returns the number of places of each class."""
        return PLACE.counts(labels[labels != UNKNOWN], class_names)

    def loss(self, labels: tf.TensorSpec | None = None) -> keras.losses.Loss:
        return keras.losses.SparseCategoricalCrossentropy(ignore_class=UNKNOWN)

    def logits(self, outputs: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(outputs.astype(np.float64), SMALLEST))

    def outputs(self, logits: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        return softmax(logits, axis=-1)

    def log_loss(self, logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
        return PLACE.log_loss(*known_places(logits, labels), smoothing)

    def mean_difference(self, differences: np.ndarray) -> float:
        """Returns the mean over places of the total variation distance, half the sum of the differences."""
        return float(differences.sum(axis=-1).mean() / 2)

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float:
        """Returns the share of places with the same class."""
        there = expected.any(axis=-1)
        return float((outputs.argmax(axis=-1) == expected.argmax(axis=-1))[there].mean())

    def accuracy(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        """Returns the share of places whose class is right."""
        return PLACE.accuracy(*known_places(outputs, labels))


def thinned(values: np.ndarray, side: int) -> np.ndarray:
    """Returns some rows and columns of values for every pixel, at most so many of each: every second one, and so on.

    Example:
        >>> thinned(np.zeros((2, 100, 60, 3)), 32).shape
        (2, 25, 30, 3)
    """
    rows, columns = (-(-size // side) for size in values.shape[1:3])
    return values[:, ::rows, ::columns]


def known_places(outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns outputs `(places, num_classes)` and labels `(places,)` where there is a class.

    Raises:
        DataError: if the labels do not fit the outputs, or there is no class anywhere.
    """
    if labels.shape != (*outputs.shape[:-1], 1):
        raise DataError(f"Expected labels {(*outputs.shape[:-1], 1)}. Received: shape {labels.shape}.")
    known = labels[..., 0] != UNKNOWN
    if not known.any():
        raise DataError("Expected a class somewhere. Received: none.")
    return outputs[known], labels[..., 0][known]
