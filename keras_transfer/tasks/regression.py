"""Regression: one or more values an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.tasks.report import Report
from keras_transfer.tasks.task import TASKS, Task


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
    reports = False

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

    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Report:
        raise InputError("Expected a classifier. Received: a model with linear output; use its own model.evaluate.")

    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"class_names": tf.tile(class_names[tf.newaxis], (tf.shape(outputs)[0], 1)), self.output: outputs}

    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return ()

    def differences(self, outputs: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Returns how far each value is from the expected one, in shares of the largest that is expected of it."""
        largest = np.abs(expected).max(axis=0)
        return super().differences(outputs, expected) / np.where(largest > 0, largest, 1)


TASKS.register(Regression.name)(Regression())
