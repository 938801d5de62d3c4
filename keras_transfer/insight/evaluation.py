"""evaluate: measures the quality of a classifier on labelled images."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Kind, takes
from keras_transfer._checks import DataError, InputError
from keras_transfer.models.stages import MODEL
from keras_transfer.tasks import TASKS, Classification, Report, SeveralLabels, Task, task_of_model
from keras_transfer.tasks.report import checked_names


@takes(model=MODEL, dataset=Kind(tf.data.Dataset, "a tf.data.Dataset of images and labels, such as data.validation"))
def evaluate(model: keras.Model, dataset: tf.data.Dataset, *, class_names: Sequence[str] | None = None) -> Report:
    """Measures a classifier on labelled images.

    Args:
        model: a model made by `build_model`, or any that returns probabilities `(batch, num_classes)`.
        dataset: batches of images and labels. Labels are integers `(batch,)`; or 0 and 1 `(batch, num_classes)` for
            several labels per image.
        class_names: name of each class; by default their numbers.

    Returns:
        The report: metrics, metrics by class, and the confusion matrix.

    Raises:
        InputError: if the model is not a classifier.
        DataError: if the dataset is empty, or names, labels and outputs do not fit.
    """
    task = task_of_model(model)
    if task is not None and not task.reports:
        raise InputError(
            f"Expected a classifier. Received: a model that returns {task.described}; use its own model.evaluate."
        )
    outputs, labels = [], []
    for images, batch_labels in dataset:
        outputs.append(np.asarray(model.predict_on_batch(images)))
        labels.append(np.asarray(batch_labels))
    if not labels:
        raise DataError("Expected images to evaluate on. Received: an empty dataset.")
    return report_on(np.concatenate(outputs), np.concatenate(labels), class_names, task)


def report_on(
    outputs: np.ndarray, labels: np.ndarray, class_names: Sequence[str] | None = None, task: Task | None = None
) -> Report:
    """Compares predicted probabilities with labels, and returns the same report as `evaluate`.

    Args:
        outputs: probabilities, float `(count, num_classes)` in [0, 1].
        labels: integers `(count,)`; or 0 and 1 `(count, num_classes)` for several labels per image.
        class_names: name of each class; by default their numbers.
        task: the task of the model; by default it is derived from the shape of the labels.

    Raises:
        DataError: if names, labels and outputs do not fit.
    """
    names = checked_names(class_names, outputs.shape[-1])
    if len(names) == 1 and labels.ndim == 1:
        labels = labels[:, None]  # one yes-or-no label for each image
    one_class = task is TASKS.find(Classification.name)
    if one_class and labels.ndim == 2:
        labels = labels.argmax(axis=1)  # one-hot labels, or the class shares of mixed images
    if labels.shape == outputs.shape and not one_class:
        return TASKS.find(SeveralLabels.name).report(outputs, labels, names)
    return TASKS.find(Classification.name).report(outputs, labels, names)
