"""evaluate: measures the quality of a model on labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import Part, Whole, takes
from keras_transfer._lengths import joined
from keras_transfer.data.pixels.views import VIEWS, Views
from keras_transfer.engines import ENGINE
from keras_transfer.insight.asking import answered
from keras_transfer.models.origins import classes_of
from keras_transfer.models.stages import MODEL
from keras_transfer.tasks import (
    TASKS,
    UNKNOWN,
    Classification,
    Regression,
    Report,
    SeveralLabels,
    Task,
    ValuesReport,
    task_of_model,
)
from keras_transfer.tasks.labels import as_answered, numbers_of, renumbered
from keras_transfer.tasks.places import thinned
from keras_transfer.tasks.report import checked_names

_SIDE = 64  # rows and columns of an image that are kept of answers for every pixel


@takes(model=MODEL, steps=Whole(1) | None, engine=ENGINE, views=Part(VIEWS) | None)
def evaluate(
    model: keras.Model,
    dataset: Any,
    *,
    class_names: Sequence[str] | None = None,
    steps: int | None = None,
    engine: str = "auto",
    views: str | Views | None = None,
) -> Report | ValuesReport:
    """Measures a model on labelled images.

    Args:
        model: a model made by `build_model`, or any that returns probabilities `(batch, num_classes)`, or values
            `(batch, num_values)` where its last layer is linear.
        dataset: images and labels, with weights or without, which are passed over: a `tf.data.Dataset`, in batches or
            not; a `keras.utils.PyDataset` or a generator of batches; or arrays `(images, labels)`. Labels are integers
            `(batch,)` or `(batch, 1)`, or one-hot `(batch, num_classes)`; or 0 and 1 `(batch, num_classes)` for
            several labels per image (-1 for one that is not known); or the values for regression, `(batch,)` or
            `(batch, num_values)`; or for a class for each pixel numbers `(batch, height, width, 1)`, -1 for none.
        class_names: name of each class that a label stands for; by default those of the dataset or of the model, or
            else their numbers. Where the model has the same classes in another order, or more of them, labels are
            renumbered.
        steps: number of batches to take; by default all. Give it for a generator that never ends.
        engine: what computes: "tensorflow", "openvino", "onnxruntime", or "auto" for another engine than TensorFlow
            where a dataset says that it has so many images that this is worth it; see `Cache`.
        views: of each image, over which outputs are averaged: name in `kt.available("views")`, such as "flip" for the
            image and its mirror image, or a function from images `(batch, height, width, channels)` to a list of such
            tensors. `export(views=...)` makes a version that does the same.

    Returns:
        The report: metrics, metrics by class, and the confusion matrix; for regression a `ValuesReport`.

    Raises:
        InputError: if the dataset has another form, or the model has several outputs.
        DataError: if the dataset is empty, or names, labels and outputs do not fit.
    """
    task = task_of_model(model)
    if task is None or task.counting is None:
        return Answers.on(model, dataset, class_names, steps, engine, views).report()
    answers = answered(model, dataset, steps, engine, views)
    names = _names(dataset, class_names)
    return report_in_parts(answers, names, task, classes_of(model), model.output_shape[-1])


def report_in_parts(
    answers: Iterable[tuple[np.ndarray, np.ndarray]],
    class_names: Sequence[str] | None,
    task: Task,
    output_names: Sequence[str] | None,
    outputs: int | None = None,
) -> Report | ValuesReport:
    """Returns the report of a task that is counted batch by batch.

    Args:
        answers: batches of outputs and labels.
        class_names: name of each class that a label stands for.
        task: with `counting`.
        output_names: name of each output; None if they are not known.
        outputs: number of them; by default that of their names.

    Raises:
        DataError: if names, labels and outputs do not fit.
    """
    if task.counting is None:
        raise TypeError(f"Expected a task that counts batch by batch. Received: {task.name}.")
    count = len(output_names or ()) if outputs is None else outputs
    counting = task.counting(checked_names(class_names or output_names, count, output_names))
    for given, labels in answers:
        found = Answers.of(given, labels, class_names, task, output_names)
        counting.add(found.outputs, found.labels)
    return counting.report()


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model answers for labelled images, in one form.

    Attributes:
        task: what the labels are of.
        outputs: of the model, float `(count, num_outputs)`.
        labels: of the task, in the order of the outputs.
        names: of the outputs.
    """

    task: Task
    outputs: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def on(
        cls,
        model: keras.Model,
        dataset: Any,
        class_names: Sequence[str] | None = None,
        steps: int | None = None,
        engine: str = "auto",
        views: str | Views | None = None,
    ) -> Answers:
        """Asks a model. The arguments are those of `evaluate`.

        Of a class for each pixel some rows and columns are kept, evenly spaced: at most 4,096 pixels of an image.
        """
        task = task_of_model(model)
        batches = answered(model, dataset, steps, engine, views)
        if task is not None and task.counting is not None:  # all pixels would not fit in memory
            batches = ((thinned(given, _SIDE), thinned(labels, _SIDE)) for given, labels in batches)
        outputs, labels = zip(*batches, strict=True)
        names = _names(dataset, class_names)
        found = joined(labels, UNKNOWN)
        if found.dtype.kind in "OUS":
            names = names or classes_of(model)
            found = numbers_of(found, names)
        return cls.of(joined(outputs, 0), found, names, task, classes_of(model))

    @classmethod
    def of(
        cls,
        outputs: np.ndarray,
        labels: np.ndarray,
        class_names: Sequence[str] | None = None,
        task: Task | None = None,
        output_names: Sequence[str] | None = None,
    ) -> Answers:
        """Brings outputs, labels and names together. The arguments are those of `report_on`."""
        if outputs.shape[-1] == 1 and len(class_names or output_names or ()) == 2:
            outputs, task = np.concatenate([1 - outputs, outputs], axis=1), TASKS.find(Classification.name)
        one_class = task is TASKS.find(Classification.name)
        count = outputs.shape[-1]
        if task is TASKS.find(Regression.name):
            return cls(
                task, outputs, labels.reshape(len(labels), -1), checked_names(class_names or output_names, count)
            )
        if task is not None and task.axes:
            names = checked_names(output_names if class_names is None else class_names, count, output_names)
            if class_names is not None and tuple(class_names) != names:
                labels = renumbered(labels, [names.index(name) for name in class_names], count)
            return cls(task, outputs, labels, names)
        labels = as_answered(labels, count if class_names is None else len(class_names), one_class)
        names = checked_names(output_names if class_names is None else class_names, count, output_names)
        if class_names is not None and tuple(class_names) != names:
            labels = renumbered(labels, [names.index(name) for name in class_names], count)
        several = labels.shape == outputs.shape and not one_class
        return cls(TASKS.find(SeveralLabels.name if several else Classification.name), outputs, labels, names)

    def report(self) -> Report | ValuesReport:
        """Compares outputs with labels."""
        return self.task.report(self.outputs, self.labels, self.names)


def _names(dataset: Any, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """Returns the names that labels stand for: those given, or the dataset's; None where neither has any."""
    return getattr(dataset, "class_names", None) if class_names is None else class_names


def report_on(
    outputs: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str] | None = None,
    task: Task | None = None,
    output_names: Sequence[str] | None = None,
) -> Report | ValuesReport:
    """Compares predicted probabilities with labels, and returns the same report as `evaluate`.

    Args:
        outputs: probabilities, float `(count, num_classes)` in [0, 1].
        labels: integers `(count,)` or `(count, 1)`, or one-hot; or 0 and 1 `(count, num_classes)` for several labels
            per image.
        class_names: name of each class that a label stands for; by default `output_names`, or their numbers.
        task: the task of the model; by default it is derived from the shape of the labels.
        output_names: name of each output; by default `class_names`.

    Raises:
        DataError: if names, labels and outputs do not fit.
    """
    return Answers.of(outputs, labels, class_names, task, output_names).report()
