"""Classification: one class an image, out of several."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.tasks.reliability import Reliability
from keras_transfer.tasks.report import Report, per_class
from keras_transfer.tasks.task import SMALLEST, TASKS, Task

_TOP = 5


class Classification(Task):
    """One class an image. Outputs are probabilities that sum to 1."""

    name = "classification"
    activation = "softmax"
    described = "one class"
    form = "integers from 0 ({count},)"
    said_of_labels = "one class an image"
    fewest_outputs = 2
    limits = ("It names one of its classes for every picture, also for one that shows none of them.",)

    def has_form(self, labels: np.ndarray) -> bool:
        return labels.ndim == 1 and labels.dtype.kind in "iub"

    def standardised(self, labels: np.ndarray) -> np.ndarray:
        if labels.min(initial=0) < 0:
            raise DataError(f"Expected `labels` {self.form.format(count=len(labels))}. Received: {labels.min()}.")
        return labels.astype(np.int64)

    def counts(self, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
        totals = np.bincount(labels, minlength=len(class_names))
        return {name: int(total) for name, total in zip(class_names, totals, strict=True)}

    def in_words(self, label: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return (class_names[int(label)],)

    def strata(self, labels: np.ndarray) -> np.ndarray:
        return labels

    def balanced_weights(self, labels: np.ndarray) -> dict[int, float]:
        from sklearn.utils.class_weight import compute_class_weight

        present = np.unique(labels)
        weights = compute_class_weight("balanced", classes=present, y=labels)
        return {int(label): float(weight) for label, weight in zip(present, weights, strict=True)}

    def loss(self, labels: tf.TensorSpec | None = None) -> str:
        shares = labels is not None and labels.shape.rank == 2  # mixed images have a share of each class
        return "categorical_crossentropy" if shares else "sparse_categorical_crossentropy"

    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Report:
        from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support, top_k_accuracy_score

        count = len(class_names)
        whole = labels.dtype.kind in "iub" or np.array_equal(labels, np.floor(labels))
        if labels.ndim != 1 or not whole or labels.min() < 0 or labels.max() >= count:
            raise DataError(
                f"Expected labels (batch,), whole numbers from 0 to {count - 1}. Received: {labels.dtype} "
                f"{labels.shape}, from {labels.min()} to {labels.max()}."
            )
        labels, every = labels.astype(int), np.arange(count)
        outputs = outputs.astype(np.float64)
        predicted = outputs.argmax(axis=1)
        confusion = confusion_matrix(labels, predicted, labels=every)
        support = confusion.sum(axis=1)
        with_images = support > 0  # a class without images has no recall
        clipped = np.clip(outputs, keras.config.epsilon(), 1)
        metrics = {
            "loss": float(log_loss(labels, clipped / clipped.sum(axis=1, keepdims=True), labels=every)),
            "accuracy": float((predicted == labels).mean()),
            "balanced_accuracy": float((confusion.diagonal()[with_images] / support[with_images]).mean()),
        }
        if count > _TOP:
            metrics["top_5_accuracy"] = float(top_k_accuracy_score(labels, outputs, k=_TOP, labels=every))
        reliability = Reliability.of(outputs.max(axis=1), predicted == labels)
        squares, true = np.einsum("ij,ij->i", outputs, outputs), outputs[np.arange(len(labels)), labels]
        metrics["brier_score"] = float((squares - 2 * true + 1).mean())
        metrics["calibration_error"] = reliability.error
        columns = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
        return Report(metrics, tuple(class_names), per_class(columns, class_names), confusion, reliability)

    def logits(self, outputs: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(outputs.astype(np.float64), SMALLEST))

    def outputs(self, logits: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        return softmax(logits, axis=1)

    def log_loss(self, logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
        from scipy.special import log_softmax

        known = log_softmax(logits, axis=1)
        right = np.take_along_axis(known, labels.astype(int).reshape(-1, 1), axis=1)[:, 0]
        others = (known.sum(axis=1) - right) / max(logits.shape[1] - 1, 1)
        return float(-((1 - smoothing) * right + smoothing * others).mean())

    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        class_ids = tf.argmax(outputs, axis=-1)
        return {"class_names": tf.gather(class_names, class_ids), "class_ids": class_ids, self.output: outputs}

    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return (class_names[int(outputs.argmax())],)

    def mean_difference(self, differences: np.ndarray) -> float:
        """Returns the mean over images of the total variation distance, half the sum of the differences.

        Example:
            >>> Classification().mean_difference(np.array([[0.5, 0.25, 0.25, 0], [0, 0, 0, 0]]))
            0.25
        """
        return float(differences.sum(axis=1).mean() / 2)

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float:
        """Returns the share of images with the same class.

        Example:
            >>> Classification().agreement(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([[0.6, 0.4], [0.5, 0.5]]))
            0.5
        """
        return float((outputs.argmax(axis=1) == expected.argmax(axis=1)).mean())

    def accuracy(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        """Returns the share of images whose class is right.

        Example:
            >>> Classification().accuracy(np.array([[0.9, 0.1], [0.4, 0.6]]), np.array([0, 0]))
            0.5
        """
        true = labels.argmax(axis=1) if labels.ndim == 2 else labels
        return float((outputs.argmax(axis=1) == true).mean())


TASKS.register(Classification.name)(Classification())
