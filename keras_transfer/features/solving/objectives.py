"""Objectives: the convex losses of linear outputs, one for each activation, with the derivatives a solver needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer._registry import Registry
from keras_transfer.tasks import UNKNOWN


class Objective(ABC):
    """A convex loss of outputs before their activation, float32 `(rows, outputs)`. Labels are those of a task."""

    @abstractmethod
    def fitted(self, labels: np.ndarray, outputs: int) -> np.ndarray:
        """Returns the labels of a task in the form that the other methods take."""

    @abstractmethod
    def slopes(self, outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the loss of each row, and its derivatives by the outputs; it may write into `outputs`."""

    @abstractmethod
    def curvatures(self, outputs: np.ndarray) -> np.ndarray:
        """Returns the second derivatives of the losses by each output, float32 `(rows, outputs)`."""

    def scaled(self, labels: np.ndarray) -> tuple[np.ndarray, Any, Any]:
        """Returns labels whose outputs are near 1 in size, and what is added and multiplied to have them back."""
        return labels, 0.0, 1.0

    def right(self, outputs: np.ndarray, labels: np.ndarray) -> float | None:
        """Returns the share of rows that are right, in [0, 1]; None where that has no meaning."""
        return None


OBJECTIVES: Registry[Objective] = Registry("objective")


class Softmax(Objective):
    """Cross-entropy of one class out of several: multinomial logistic regression."""

    def fitted(self, labels: np.ndarray, outputs: int) -> np.ndarray:
        return labels.astype(np.int64)

    def slopes(self, outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(len(outputs))
        outputs -= outputs.max(axis=1, keepdims=True)
        of_label = outputs[rows, labels]
        np.exp(outputs, out=outputs)
        total = outputs.sum(axis=1)
        outputs /= total[:, None]
        outputs[rows, labels] -= 1
        return np.log(total) - of_label, outputs

    def curvatures(self, outputs: np.ndarray) -> np.ndarray:
        from scipy.special import softmax

        shares = softmax(outputs, axis=1)
        return shares * (1 - shares)

    def right(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        return float((outputs.argmax(axis=1) == labels).mean())


class SoftmaxOfShares(Softmax):
    """Cross-entropy of a share of each class, float32 `(rows, outputs)`, with a sum of 1: such as a teacher says."""

    def fitted(self, labels: np.ndarray, outputs: int) -> np.ndarray:
        return labels.astype(np.float32)

    def slopes(self, outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs -= outputs.max(axis=1, keepdims=True)
        of_labels = np.einsum("ij,ij->i", outputs, labels)
        np.exp(outputs, out=outputs)
        total = outputs.sum(axis=1)
        outputs /= total[:, None]
        outputs -= labels
        return np.log(total) - of_labels, outputs

    def right(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        return float((outputs.argmax(axis=1) == labels.argmax(axis=1)).mean())


class Sigmoid(Objective):
    """Cross-entropy of several labels that hold or not: a logistic regression for each, over the rows that know it."""

    def fitted(self, labels: np.ndarray, outputs: int) -> np.ndarray:
        return labels.reshape(len(labels), outputs).astype(np.int8)

    def slopes(self, outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from scipy.special import expit

        known = labels != UNKNOWN
        losses = (np.logaddexp(0, np.where(labels == 1, -outputs, outputs)) * known).sum(axis=1)
        return losses, (expit(outputs) - labels) * known

    def curvatures(self, outputs: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        shares = expit(outputs)
        return shares * (1 - shares)

    def right(self, outputs: np.ndarray, labels: np.ndarray) -> float:
        known = labels != UNKNOWN
        return float(((outputs > 0) == labels)[known].mean()) if known.any() else 1.0


class Squared(Objective):
    """Half of the squared differences to values: ridge regression."""

    def fitted(self, labels: np.ndarray, outputs: int) -> np.ndarray:
        return labels.reshape(len(labels), outputs).astype(np.float32)

    def slopes(self, outputs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs -= labels
        return np.square(outputs).sum(axis=1) / 2, outputs

    def curvatures(self, outputs: np.ndarray) -> np.ndarray:
        return np.ones_like(outputs)

    def scaled(self, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not np.isfinite(labels).all():
            raise DataError("Expected values that are finite numbers, to solve a head. Received: NaN or infinity.")
        centre, spread = labels.mean(axis=0, dtype=np.float64), labels.std(axis=0, dtype=np.float64)
        spread = np.where(spread > 1e-6 * np.abs(centre), spread, 1.0)
        return ((labels - centre) / spread).astype(np.float32), centre, spread


OBJECTIVES.register("softmax")(Softmax())
OBJECTIVES.register("sigmoid")(Sigmoid())
OBJECTIVES.register("linear")(Squared())
