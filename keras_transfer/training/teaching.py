"""Teaching: the loss by which a model learns the answers of another, and what it is solved and saved with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_transfer.tasks import Task
from keras_transfer.tasks.task import SMALLEST
from keras_transfer.training.objective import Objective


class DistillationLoss(keras.losses.Loss):
    """`(1 - weight) · CE(y, p) + weight · T² · CE(q_T, p_T)` for labels y and the probabilities p of a model.

    `q` are those of its teacher. `p_T` and `q_T` are the probabilities from logits that are divided by the temperature
    T, which shows how the teacher ranks the classes that are wrong. The factor T² keeps the size of the gradients.

    Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network" (2015), section 2,
    https://arxiv.org/abs/1503.02531.

    Labels are float32 `(batch, 2 * num_classes)`: first the share of each class, all 0 where it is not known, then the
    probabilities of the teacher. For labels of another form, those of validation, it is the cross-entropy.

    Args:
        temperature: T, above 0.
        weight: in [0, 1].

    Example:
        >>> loss = DistillationLoss(temperature=1.0, weight=0.5)
        >>> labels = np.array([[1, 0, 0.5, 0.5]], "float32")
        >>> round(float(loss(labels, np.array([[0.5, 0.5]], "float32"))), 4)  # log 2 by each
        0.6931
    """

    def __init__(self, temperature: float, weight: float):
        super().__init__(name="distillation")
        self.temperature, self.weight = float(temperature), float(weight)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each example, `(batch,)`."""
        if not _is_taught(y_true, y_pred):
            return keras.losses.sparse_categorical_crossentropy(ops.reshape(y_true, (-1,)), y_pred)
        known, teacher = ops.split(y_true, 2, axis=-1)
        hard = ops.sum(known * -_log(y_pred), axis=-1)
        ours = ops.log_softmax(_log(y_pred) / self.temperature, axis=-1)
        theirs = ops.softmax(_log(teacher) / self.temperature, axis=-1)
        soft = ops.sum(theirs * -ours, axis=-1)
        return (1 - self.weight) * hard + self.weight * self.temperature**2 * soft

    def get_config(self) -> dict[str, Any]:
        """Returns the settings."""
        return {"temperature": self.temperature, "weight": self.weight}


def _is_taught(y_true: Any, y_pred: Any) -> bool:
    return len(y_true.shape) == 2 and y_true.shape[-1] == 2 * y_pred.shape[-1]


def _log(probabilities: Any) -> Any:
    return ops.log(ops.maximum(probabilities, SMALLEST))


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """Returns 1 for each example whose class is right: in training the one that the teacher says, `(batch,)`."""
    if _is_taught(y_true, y_pred):
        expected = ops.argmax(y_true[:, y_pred.shape[-1] :], axis=-1)
    else:
        expected = ops.cast(ops.reshape(y_true, (-1,)), "int64")
    return ops.cast(ops.equal(ops.argmax(y_pred, axis=-1), ops.cast(expected, "int64")), "float32")


@dataclass(frozen=True, eq=False)
class Teaching:
    """What a model learns from another.

    Attributes:
        loss: by which it is trained.
        known: share of each class of the training examples, float32 `(count, num_classes)`; 0 where it is not known.
        answers: probabilities of the teacher for each view of them, float32 `(views, count, num_classes)`.
        taught_by: what tells the teacher from others.
    """

    loss: DistillationLoss
    known: np.ndarray
    answers: np.ndarray
    taught_by: str

    @property
    def taught(self) -> np.ndarray:
        """What training batches hold in place of labels, float32 `(views, count, 2 * num_classes)`."""
        known = np.broadcast_to(self.known, self.answers.shape)
        return np.concatenate([known, self.answers], axis=-1)

    @property
    def identity(self) -> list[Any]:
        """What tells this teaching from another, for a run that goes on."""
        return [self.taught_by, len(self.answers), self.loss]

    @cached_property
    def solved(self) -> tuple[np.ndarray, np.ndarray]:
        """Shares of the classes and the weight of each example, by which a head is solved: the loss at T = 1.

        The answers of the teacher are averaged over the views.
        """
        weight = self.loss.weight
        mixed = (1 - weight) * self.known + weight * self.answers.mean(axis=0)
        total = mixed.sum(axis=1, keepdims=True)
        return (mixed / np.maximum(total, SMALLEST)).astype(np.float32), total[:, 0].astype(np.float32)

    def objective(self, task: Task, metrics: Sequence[Any] | None) -> Objective:
        """Returns loss and metrics of the training; a saved model has those of its task."""
        plain = [keras.saving.serialize_keras_object(each) for each in (task.loss(), list(task.metrics))]
        shown = [keras.metrics.MeanMetricWrapper(accuracy, name="accuracy")] if metrics is None else metrics
        return Objective(self.loss, shown, dict(zip(("loss", "metrics"), plain, strict=True)))
