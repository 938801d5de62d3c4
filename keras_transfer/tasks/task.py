"""Task: what a model is trained for, as one object that everything which depends on it asks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer._registry import Registry
from keras_transfer.tasks.report import Report
from keras_transfer.tasks.values_report import ValuesReport

SMALLEST = float(np.finfo(np.float32).tiny)  # probability whose logarithm is taken


class Counting(Protocol):
    """Makes a report batch by batch."""

    def __init__(self, class_names: Sequence[str]): ...

    def add(self, outputs: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch of outputs and labels."""

    def report(self) -> Report | ValuesReport:
        """Returns what was counted."""


class Task(ABC):
    """What a model is trained for: the form of its labels, its loss, its report and the answers of its export.

    Labels are those of `count` examples, outputs are float `(count, num_outputs)`: what the model returns after its
    activation. Of a task with an answer for each part of an example, such as a word, outputs have one axis or two
    between these.

    Attributes:
        name: of the task.
        activation: of the layer `predictions`.
        output: name of the numbers that an export answers with.
        metrics: what `fine_tune` shows beside the loss.
        described: what a model of this task answers, in a few words.
        form: the form of its labels, in a few words; `{count}` stands for the number of images.
        said_of_labels: what its labels are, in a few words.
        fewest_outputs: the smallest number of outputs a model can have.
        needs_classes: whether data must have two classes or more.
        axes: of the outputs between those of the examples and of the classes: 0 for one answer an example, 1 for one
            answer a token, 2 for one a pixel.
        limits: what a reader of a model card must not conclude, in sentences.
        counting: makes the report batch by batch, of the names of the outputs; None where all outputs are kept.
        apart: the numbers are so many that an export answers files without them, and by a signature of their own.
    """

    name: ClassVar[str]
    activation: ClassVar[str]
    output: ClassVar[str] = "probabilities"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy",)
    described: ClassVar[str]
    form: ClassVar[str]
    said_of_labels: ClassVar[str]
    fewest_outputs: ClassVar[int] = 1
    needs_classes: ClassVar[bool] = True
    axes: ClassVar[int] = 0
    limits: ClassVar[tuple[str, ...]] = ()
    counting: ClassVar[type[Counting] | None] = None
    apart: ClassVar[bool] = False

    # labels

    @abstractmethod
    def has_form(self, labels: np.ndarray) -> bool:
        """Says whether labels have the type and the number of axes of this task's."""

    @abstractmethod
    def standardised(self, labels: np.ndarray) -> np.ndarray:
        """Returns labels that have the form as they are kept.

        Raises:
            DataError: if a value is not one of this task's.
        """

    @abstractmethod
    def counts(self, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, int]:
        """Returns the number of images of each class."""

    @abstractmethod
    def in_words(self, label: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        """Returns what the label of one image says, in words."""

    def strata(self, labels: np.ndarray) -> np.ndarray | None:
        """Returns int `(count,)`, the stratum by which images are shared out to splits; None where all are alike."""
        return None

    def balanced_weights(self, labels: np.ndarray) -> dict[int, float] | None:
        """Returns the weight of each class that makes all weigh the same; None where classes have no common weight."""
        return None

    # training

    @abstractmethod
    def loss(self, labels: tf.TensorSpec | None = None) -> str | keras.losses.Loss:
        """Returns the loss of Keras that fits, or its name, for batches of labels of this form if it is given."""

    # evaluation

    @abstractmethod
    def report(self, outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> Report | ValuesReport:
        """Compares outputs with labels.

        Raises:
            DataError: if the labels are not of this task, or do not fit the outputs.
        """

    def logits(self, outputs: np.ndarray) -> np.ndarray | None:
        """Returns what the activation took, float64, up to a constant; None where outputs are no probabilities."""
        return None

    def outputs(self, logits: np.ndarray) -> np.ndarray:
        """Returns what the activation makes of logits.

        Raises:
            NotImplementedError: if outputs are no probabilities.
        """
        raise NotImplementedError

    def log_loss(self, logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
        """Returns the mean negative log-likelihood of the probabilities that the activation makes of logits.

        Args:
            logits: float `(count, num_outputs)`.
            labels: of this task.
            smoothing: share of each label that goes to what it does not say, in [0, 1).

        Raises:
            NotImplementedError: if outputs are no probabilities.
        """
        raise NotImplementedError

    # export

    @abstractmethod
    def answer(self, outputs: tf.Tensor, class_names: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what an export answers for outputs, by name; part of the exported graph."""

    @abstractmethod
    def found(self, outputs: np.ndarray, class_names: Sequence[str]) -> tuple[str, ...]:
        """Returns what the outputs `(num_outputs,)` for one image say is on it."""

    # comparison with other runtimes

    def differences(self, outputs: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Returns how far each number is from the expected one, float64 `(count, num_outputs)`."""
        return np.abs(outputs.astype(np.float64) - expected)

    def mean_difference(self, differences: np.ndarray) -> float:
        """Returns one number for all differences, which is large however many classes share it.

        It is the mean over images of the label or value where that mean is largest.
        """
        return float(differences.mean(axis=0).max())

    def agreement(self, outputs: np.ndarray, expected: np.ndarray) -> float | None:
        """Returns how often outputs say the same as the expected ones, in [0, 1]; None where that has no meaning."""
        return None

    def accuracy(self, outputs: np.ndarray, labels: np.ndarray) -> float | None:
        """Returns how often outputs are right, in [0, 1]; None where that has no meaning."""
        return None


TASKS: Registry[Task] = Registry("task", lambda part: isinstance(part, Task), "a Task")


def task_of_activation(activation: str, axes: int = 0) -> Task:
    """Returns the task of models with this activation and so many axes; classification for one that is no task's."""
    every = {(task.activation, task.axes): task for task in map(TASKS.find, TASKS.names())}
    return every.get((activation, axes), TASKS.find("classification"))


def task_of_model(model: keras.Model) -> Task | None:
    """Returns the task of a model by the activation of its last layer; None where that layer has none."""
    activation: Any = getattr(model.layers[-1], "activation", None)
    if activation is None:
        return None
    return task_of_activation(getattr(activation, "__name__", ""), max(len(model.outputs[0].shape) - 2, 0))


def task_of_labels(labels: np.ndarray) -> Task:
    """Returns the task that labels in their standard form are of.

    Raises:
        DataError: if they are of no task.
    """
    for task in map(TASKS.find, TASKS.names()):
        if task.has_form(labels):
            return task
    raise _no_task(labels)


def standardised(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns the labels of `count` examples as they are kept, in the form of the task they are of.

    Raises:
        DataError: if they are of no task that has one answer an example.
    """
    if labels.shape[:1] != (count,) or task_of_labels(labels).axes:
        raise _no_task(labels, count)
    return task_of_labels(labels).standardised(labels)


def _no_task(labels: np.ndarray, count: int | str = "count") -> DataError:
    every = map(TASKS.find, TASKS.names())
    forms = ", or ".join(task.form.format(count=count) for task in every if not task.axes)
    return DataError(f"Expected `labels` {forms}. Received: {labels.dtype} {labels.shape}.")
