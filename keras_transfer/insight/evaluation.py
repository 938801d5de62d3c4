"""evaluate: how good a model is on labelled images, as numbers, as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError, InputError
from keras_transfer.plots.matrices import plot_confusion

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Report:
    """The result of `evaluate`. `print(report)` shows it as a table.

    Attributes:
        metrics: value by name: loss, accuracy, top-5 accuracy from six classes on, balanced accuracy.
        class_names: name of each class.
        per_class: precision, recall, f1 and support of each class, by its name.
        confusion: int `(num_classes, num_classes)`, rows are true classes; of several labels at once, one 2x2
            matrix for each label `(num_classes, 2, 2)`.
    """

    metrics: dict[str, float]
    class_names: tuple[str, ...]
    per_class: dict[str, dict[str, float]]
    confusion: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers, lists and names, ready for JSON; not-a-number becomes None."""
        return {
            "metrics": {name: None if math.isnan(value) else value for name, value in self.metrics.items()},
            "class_names": list(self.class_names),
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
        }

    def plot(self) -> Figure:
        """Draws the confusion matrix.

        Raises:
            InputError: for several labels at once, which have no common matrix.
        """
        if self.confusion.ndim != 2:
            raise InputError("Expected a report with one class an image. Received: one of several labels an image.")
        return plot_confusion(self.confusion, self.class_names)

    def __str__(self) -> str:
        width = max(9, *(len(name) for name in self.class_names))
        lines = [f"{name.replace('_', ' '):<{width + 2}}{value:9.4f}" for name, value in self.metrics.items()]
        lines += ["", f"{'class':<{width + 2}}{'precision':>9}{'recall':>9}{'f1':>9}{'support':>9}"]
        for name, row in self.per_class.items():
            numbers = "".join(f"{row[key]:9.3f}" for key in ("precision", "recall", "f1"))
            lines.append(f"{name:<{width + 2}}{numbers}{row['support']:9.0f}")
        return "\n".join(lines)


def evaluate(model: keras.Model, dataset: tf.data.Dataset, *, class_names: Sequence[str] | None = None) -> Report:
    """Measures a classifier on labelled images.

    Args:
        model: a model made by `build_model`, or any that returns probabilities `(batch, num_classes)`.
        dataset: batches of images and labels: integers `(batch,)`, or 0 and 1 `(batch, num_classes)` for a model with
            several labels at once.
        class_names: name of each class; their numbers by default.

    Raises:
        InputError: if the dataset is empty, or names, labels and outputs do not fit.
    """
    if not isinstance(dataset, tf.data.Dataset):
        raise InputError(
            f"Expected a tf.data.Dataset of images and labels, such as data.validation. Received: {dataset!r}."
        )
    activation = getattr(model.layers[-1], "activation", None)
    if activation is keras.activations.linear:
        raise InputError("Expected a classifier. Received: a model with linear output; use its own model.evaluate.")
    outputs, labels = [], []
    for images, batch_labels in dataset:
        outputs.append(np.asarray(model.predict_on_batch(images)))
        labels.append(np.asarray(batch_labels))
    if not labels:
        raise DataError("Expected images to evaluate on. Received: an empty dataset.")
    probabilities, truth = np.concatenate(outputs), np.concatenate(labels)
    if truth.ndim == 2 and activation is keras.activations.softmax:
        truth = truth.argmax(axis=1)  # one-hot labels of one class an image
    return report_on(probabilities, truth, class_names)


def report_on(probabilities: np.ndarray, truth: np.ndarray, class_names: Sequence[str] | None = None) -> Report:
    """Compares probabilities `(count, num_classes)` with labels, as `evaluate` does with a model's.

    Raises:
        InputError: if names, labels and probabilities do not fit.
    """
    probabilities = probabilities.astype(np.float64)
    count = probabilities.shape[-1]
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(count)))
    if len(names) != count:
        raise DataError(f"Expected {count} class names, one for each output. Received: {list(names)}.")
    if count == 1 and truth.ndim == 1:
        truth = truth[:, None]  # one yes or no an image
    if truth.ndim == 2 and truth.shape == probabilities.shape:
        return _several_labels(probabilities, truth, names)
    if truth.ndim != 1 or truth.min() < 0 or truth.max() >= count:
        raise DataError(
            f"Expected labels (batch,) from 0 to {count - 1}. Received: shape {truth.shape}, "
            f"from {truth.min()} to {truth.max()}."
        )
    return _one_class(probabilities, truth.astype(int), names)


def _one_class(probabilities: np.ndarray, truth: np.ndarray, names: tuple[str, ...]) -> Report:
    from sklearn.metrics import confusion_matrix, log_loss, top_k_accuracy_score

    every = np.arange(len(names))
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(truth, predicted, labels=every)
    support = confusion.sum(axis=1)
    with_images = support > 0  # a class without images has no recall
    clipped = np.clip(probabilities, keras.config.epsilon(), 1)
    metrics = {
        "loss": float(log_loss(truth, clipped / clipped.sum(axis=1, keepdims=True), labels=every)),
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": float((confusion.diagonal()[with_images] / support[with_images]).mean()),
    }
    if len(names) > 5:
        metrics["top_5_accuracy"] = float(top_k_accuracy_score(truth, probabilities, k=5, labels=every))
    return Report(metrics, names, _per_class(truth, predicted, names), confusion)


def _several_labels(probabilities: np.ndarray, truth: np.ndarray, names: tuple[str, ...]) -> Report:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    if not np.isin(truth, (0, 1)).all():
        raise DataError(f"Expected labels 0 and 1. Received: from {truth.min()} to {truth.max()}.")
    truth, predicted = truth.astype(int), (probabilities > 0.5).astype(int)
    clipped = np.clip(probabilities, keras.config.epsilon(), 1 - keras.config.epsilon())
    metrics = {
        "loss": float(-np.where(truth == 1, np.log(clipped), np.log(1 - clipped)).mean()),
        "accuracy": float((predicted == truth).mean()),
        "exact_match": float((predicted == truth).all(axis=1).mean()),
    }
    per_class, confusion = {}, []
    for label, name in enumerate(names):
        scores = precision_recall_fscore_support(
            truth[:, label], predicted[:, label], average="binary", zero_division=0
        )
        values = (*map(float, scores[:3]), float(truth[:, label].sum()))
        per_class[name] = dict(zip(("precision", "recall", "f1", "support"), values, strict=True))
        confusion.append(confusion_matrix(truth[:, label], predicted[:, label], labels=[0, 1]))
    return Report(metrics, names, per_class, np.stack(confusion))


def _per_class(truth: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    from sklearn.metrics import precision_recall_fscore_support

    every = np.arange(len(names))
    columns = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0)
    keys = ("precision", "recall", "f1", "support")
    return {
        name: {key: float(column[label]) for key, column in zip(keys, columns, strict=True)}
        for label, name in enumerate(names)
    }
