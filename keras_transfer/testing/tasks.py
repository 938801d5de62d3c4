"""The contract of tasks."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.tasks import TASKS, Report, Task, task_of_activation
from keras_transfer.testing.contract import require


def check_task(task: str | Task, labels: np.ndarray, outputs: np.ndarray, class_names: Sequence[str]) -> None:
    """Checks that a task knows its labels, judges right outputs as right, and answers the same in a graph.

    Args:
        task: name or object.
        labels: of some images, as a user may have them.
        outputs: float `(count, num_outputs)` that are right for the labels; with the axes of the task between these.
        class_names: name of each output.

    Raises:
        BrokenContract: if it does not.
        InputError: if the name is unknown.
    """
    found = TASKS.find(task)
    words = (found.name, found.activation, found.output, found.described, found.form, found.said_of_labels)
    require(all(isinstance(word, str) and word for word in words), "a task that says what it is, in words", words)
    require(callable(keras.activations.get(found.activation)), "an activation of Keras", found.activation)
    require(
        task_of_activation(found.activation, found.axes) is found, "an activation that names the task", found.activation
    )
    _check_labels(found, labels, class_names)
    kept = found.standardised(labels)
    _check_report(found, kept, outputs, class_names)
    names = tf.constant(list(class_names))
    answer = found.answer(tf.constant(outputs), names)
    traced = tf.function(found.answer)(tf.constant(outputs), names)
    require(list(answer) == list(traced), "the same answers in a graph", list(traced))
    require(np.array_equal(answer[found.output], outputs), f"the outputs under {found.output!r} in the answer")
    require(all(len(value) == len(outputs) for value in answer.values()), "an answer for each image")
    require({name for row in outputs for name in found.found(row, class_names)} <= set(class_names), "names of classes")
    same = found.differences(outputs, outputs)
    require(same.shape == outputs.shape and found.mean_difference(same) == 0, "no difference between equal outputs")
    require(found.mean_difference(found.differences(outputs + 0.5, outputs)) > 0, "a difference between others")
    for judge, against in ((found.agreement, outputs), (found.accuracy, kept)):
        require(judge(outputs, against) in (None, 1.0), "full agreement with right outputs", judge(outputs, against))


def _check_labels(task: Task, labels: np.ndarray, class_names: Sequence[str]) -> None:
    kept = task.standardised(labels)
    require(task.has_form(labels) and task.has_form(kept), "labels of the task's form", (labels.dtype, labels.shape))
    require(np.array_equal(task.standardised(kept), kept), "labels that stay when they are standardised again")
    others = [name for name in TASKS.names() if TASKS.find(name) is not task and TASKS.find(name).has_form(kept)]
    require(not others, "labels that are of no other task", others)
    counts = task.counts(kept, class_names)
    require(all(type(count) is int for count in counts.values()), "counts that are whole numbers", counts)
    require(all(isinstance(word, str) for word in task.in_words(kept[0], class_names)), "a label in words")
    strata = task.strata(kept)
    require(strata is None or strata.shape == (len(kept),), "one stratum an image")


def _check_report(task: Task, labels: np.ndarray, outputs: np.ndarray, class_names: Sequence[str]) -> None:
    report = task.report(outputs, labels, class_names)
    perfect = report.metrics["accuracy"] == 1.0 if isinstance(report, Report) else report.metrics["mae"] == 0.0
    require(perfect, "a perfect report of right outputs")
    require(report.images == len(labels), "a report of all images", report.images)
    try:
        task.report(outputs[:-1], labels, class_names)
    except (DataError, ValueError):
        return
    require(False, "an error for outputs and labels of different lengths")
