"""Regression: one or more values an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.tasks.task import TASKS, Task
from keras_transfer.tasks.values_report import ValuesReport, values_report

_STRATA, _IN_EACH = 10, 10  # most strata of values, and the fewest images in each


class Regression(Task):
    """One or more values an image. Outputs are the values."""

    name = "regression"
    activation = "linear"
    output = "values"
    metrics = ("mean_absolute_error",)
    described = "values (regression)"
    form = "floats"
    said_of_labels = "labels that are floats"
    needs_classes = False

    def has_form(self, labels: np.ndarray) -> bool:
        return labels.ndim in (1, 2) and labels.dtype.kind == "f"

    def standardised(self, labels: np.ndarray) -> np.ndarray:
        return labels.reshape(len(labels), -1).astype(np.float32)

    def counts(self, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
        return {"all": len(labels)}

    def in_words(self, label: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{value:.3g}" for value in np.atleast_1d(label))

    def loss(self, labels: tf.TensorSpec | None = None) -> str:
        return "mean_squared_error"

    def strata(self, labels: np.ndarray) -> np.ndarray | None:
        """Returns bins of the values with equal numbers of images; for several values, of the mean of their ranks."""
        from scipy.stats import rankdata

        bins = min(_STRATA, len(labels) // _IN_EACH)
        if bins < 2 or not np.isfinite(labels).all():
            return None
        ranks = rankdata(labels, axis=0).mean(axis=1)
        return (rankdata(ranks, method="ordinal") - 1) * bins // len(labels)

    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> ValuesReport:
        if labels.shape != outputs.shape:
            raise DataError(
                f"Expected values {outputs.shape}, as the outputs. Received: shape {labels.shape}. A model that tells "
                "classes apart ends in softmax or sigmoid."
            )
        return values_report(labels, outputs, tuple(class_names))

    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"class_names": tf.tile(class_names[tf.newaxis], (tf.shape(outputs)[0], 1)), self.output: outputs}

    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return ()

    def differences(self, outputs: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Returns how far each value is from the expected one, in shares of the largest that is expected of it."""
        largest = np.abs(expected).max(axis=0)
        return super().differences(outputs, expected) / np.where(largest > 0, largest, 1)


TASKS.register(Regression.name)(Regression())
