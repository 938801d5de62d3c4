"""Several labels: any number of classes an image, each there or not."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.tasks.reliability import Reliability
from keras_transfer.tasks.report import Report, per_class
from keras_transfer.tasks.task import SMALLEST, TASKS, Task

UNKNOWN = -1  # a label of which nobody knows whether it is on the image
_PRESENT = 0.5  # a label with a probability above it is on the image


class SeveralLabels(Task):
    """Several labels an image. Outputs are probabilities, each of one label."""

    name = "several_labels"
    activation = "sigmoid"
    described = "several labels"
    form = "0 and 1, or -1 for not known ({count}, number of labels)"
    said_of_labels = "several labels an image"

    def has_form(self, labels: np.ndarray) -> bool:
        return labels.ndim == 2 and labels.dtype.kind in "iub"

    def standardised(self, labels: np.ndarray) -> np.ndarray:
        _check_values(labels)
        return labels.astype(np.int64)

    def counts(self, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
        return {name: int(total) for name, total in zip(class_names, (labels == 1).sum(axis=0), strict=True)}

    def in_words(self, label: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return tuple(class_names[int(index)] for index in np.flatnonzero(label == 1))

    def loss(self, labels: tf.TensorSpec | None = None) -> str:
        return "binary_crossentropy"

    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Report:
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        if labels.shape != outputs.shape:
            raise DataError(f"Expected labels {outputs.shape}, as the outputs. Received: shape {labels.shape}.")
        _check_values(labels)
        outputs, labels = outputs.astype(np.float64), labels.astype(int)
        predicted, known = (outputs > _PRESENT).astype(int), labels != UNKNOWN
        if not known.any(axis=0).all():
            unknown = [name for name, any_known in zip(class_names, known.any(axis=0), strict=True) if not any_known]
            raise DataError(f"Expected images on which each label is known. Received none of {unknown}.")
        clipped = np.clip(outputs, keras.config.epsilon(), 1 - keras.config.epsilon())
        metrics = {
            "loss": float(-np.where(labels == 1, np.log(clipped), np.log(1 - clipped))[known].mean()),
            "accuracy": float((predicted == labels)[known].mean()),
            "exact_match": float(((predicted == labels) | ~known).all(axis=1).mean()),
        }
        columns_of = zip(labels.T, predicted.T, known.T, strict=True)
        pairs = [(true[of_known], said[of_known]) for true, said, of_known in columns_of]
        scores = [precision_recall_fscore_support(*pair, average="binary", zero_division=0)[:3] for pair in pairs]
        columns = [*zip(*scores, strict=True), (labels == 1).sum(axis=0)]
        confusion = np.stack([confusion_matrix(*pair, labels=[0, 1]) for pair in pairs])
        reliability = Reliability.of(outputs[known], labels[known] == 1)
        metrics["brier_score"] = float(np.square(outputs - labels)[known].mean())
        metrics["calibration_error"] = reliability.error
        return Report(metrics, tuple(class_names), per_class(columns, class_names), confusion, reliability)

    def logits(self, outputs: np.ndarray) -> np.ndarray:
        from scipy.special import logit

        return logit(np.clip(outputs.astype(np.float64), SMALLEST, 1 - np.finfo(np.float32).epsneg))

    def outputs(self, logits: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        return expit(logits)

    def log_loss(self, logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
        from scipy.special import log_expit

        known = labels != UNKNOWN
        sure = np.where(labels == 1, log_expit(logits), log_expit(-logits))
        unsure = np.where(labels == 1, log_expit(-logits), log_expit(logits))
        return float(-((1 - smoothing) * sure + smoothing * unsure)[known].mean())

    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        names = tf.tile(class_names[tf.newaxis], (tf.shape(outputs)[0], 1))
        return {"class_names": names, "present": outputs > _PRESENT, self.output: outputs}

    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name, value in zip(class_names, outputs, strict=True) if value > _PRESENT)

    def mean_difference(self, differences: np.ndarray) -> float:
        """Returns the mean over images of the label where that mean is largest.

        Example:
            >>> SeveralLabels().mean_difference(np.array([[0.5, 0], [0.25, 0]]))
            0.375
        """
        return super().mean_difference(differences)

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float:
        """Returns the F1 of the labels that are present, of all images together.

        The expected ones are taken as the truth. The many labels that are absent do not count.
        """
        from sklearn.metrics import f1_score

        return float(f1_score((expected > _PRESENT).ravel(), (outputs > _PRESENT).ravel(), zero_division=1.0))

    def accuracy(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        """Returns the share of labels that are right."""
        labels = labels.reshape(outputs.shape)
        return float(((outputs > _PRESENT) == (labels > _PRESENT))[labels != UNKNOWN].mean())


def _check_values(labels: np.ndarray) -> None:
    if not np.isin(labels, (0, 1, UNKNOWN)).all():
        raise DataError(
            f"Expected labels 0 and 1, or -1 for not known. Received: from {labels.min()} to {labels.max()}."
        )


TASKS.register(SeveralLabels.name)(SeveralLabels())
