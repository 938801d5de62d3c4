"""MaskReport: how good a model is that gives each pixel a class, counted batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import DataError
from keras_transfer.tasks.boundaries import boundary_scores
from keras_transfer.tasks.parts_report import PartsReport
from keras_transfer.tasks.reliability import BINS, Reliability
from keras_transfer.tasks.several_labels import UNKNOWN

_COLUMNS = ("iou", "boundary_f1", "precision", "recall", "f1")


@dataclass(frozen=True, eq=False)
class MaskReport(PartsReport):
    """The result of `evaluate` for a class for each pixel. `print(report)` shows it as a table.

    All that a `Report` has is about single pixels; those without a label do not count. `metrics` also has mean_iou, the
    mean of the classes' intersections over unions (Everingham and others, "The Pascal Visual Object Classes Challenge:
    A Retrospective", 2015, section 4.1.2); dice, the mean of their F1; and boundary_f1. Means are over the classes that
    occur, in labels or answers.

    Attributes:
        pictures: number of images.
        per_class: also has iou, the pixels that are of a class and were said to be, over those that are either, in
            [0, 1]; and boundary_f1, how well its outlines are found to within two pixels: the F1 of the shares of
            outline pixels that lie near one of the other, a mean over the images where the class is (Csurka, Larlus,
            Perronnin, "What is a Good Evaluation Measure for Semantic Segmentation?", 2013, section 2).
    """

    pictures: int

    @property
    def images(self) -> int:
        """Number of images."""
        return self.pictures

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers, lists and names, ready for JSON; not-a-number becomes None."""
        return {**super().to_dict(), "pictures": self.pictures}

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.per_class, *self.metrics)) + 2
        lines = [f"{name.replace('_', ' '):<{width}}{value:9.4f}" for name, value in self.metrics.items()]
        heads = (column.replace("boundary_f1", "outlines") for column in _COLUMNS)
        lines += ["", f"{'class':<{width}}{''.join(f'{head:>10}' for head in heads)}{'pixels':>12}"]
        for name, row in self.per_class.items():
            numbers = "".join(f"{row[column]:10.3f}" for column in _COLUMNS)
            lines.append(f"{name:<{width}}{numbers}{row['support']:12,.0f}")
        return "\n".join(lines)


class MaskCounts:
    """Counts what a `MaskReport` tells, batch by batch, so that the outputs of all pixels need not be kept.

    Args:
        class_names: name of each output.
    """

    def __init__(self, class_names: Sequence[str]):
        self._names = tuple(class_names)
        count = len(self._names)
        self._confusion = np.zeros((count, count), np.int64)
        self._bins = np.zeros((3, BINS))  # answers, and the sums of their probabilities and of those that are right
        self._loss = self._squares = 0.0
        self._boundaries = np.zeros((2, count))  # sums of scores, and the images they are from
        self._pictures = 0

    def add(self, outputs: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch.

        Args:
            outputs: probabilities, float `(count, height, width, num_classes)`.
            labels: int `(count, height, width, 1)`, -1 where there is none.

        Raises:
            DataError: if the labels do not fit the outputs.
        """
        count = len(self._names)
        expected, least, most = (*outputs.shape[:-1], 1), labels.min(initial=0), labels.max(initial=0)
        if labels.shape != expected or least < UNKNOWN or most >= count:
            raise DataError(
                f"Expected labels {expected}, whole numbers from -1 to {count - 1}. Received: {labels.dtype} "
                f"{labels.shape}, from {least} to {most}."
            )
        labels, said = labels[..., 0].astype(np.int64), outputs.argmax(axis=-1)
        known = labels != UNKNOWN
        rows, true = outputs[known].astype(np.float64), labels[known]
        answers = said[known]
        self._confusion += np.bincount(true * count + answers, minlength=count * count).reshape(count, count)
        of_true = rows[np.arange(len(true)), true]
        self._loss -= float(np.log(np.clip(of_true, keras.config.epsilon(), 1)).sum())
        self._squares += float((np.einsum("ij,ij->i", rows, rows) - 2 * of_true + 1).sum())
        found = Reliability.of(rows.max(axis=1), answers == true)
        self._bins += found.count * np.stack([np.ones(BINS), found.confidence, found.accuracy])
        scores = boundary_scores(np.where(known, said, UNKNOWN), labels, count)
        self._boundaries += np.nansum(scores, axis=0), np.isfinite(scores).sum(axis=0)
        self._pictures += len(labels)

    def report(self) -> MaskReport:
        """Returns what was counted.

        Raises:
            DataError: if no pixel had a label.
        """
        pixels = int(self._confusion.sum())
        if not pixels:
            raise DataError("Expected pixels with a class. Received: none.")
        right, support = self._confusion.diagonal(), self._confusion.sum(axis=1)
        said = self._confusion.sum(axis=0)
        occurs = support + said > 0
        union = np.maximum(support + said - right, 1)
        columns = {
            "precision": right / np.maximum(said, 1),
            "recall": right / np.maximum(support, 1),
            "f1": 2 * right / np.maximum(support + said, 1),
            "support": support,
            "iou": right / union,
            "boundary_f1": self._boundaries[0] / np.maximum(self._boundaries[1], 1),
        }
        outlined = self._boundaries[1] > 0
        reliability = Reliability(self._bins[0].astype(int), *(self._bins[1:] / np.maximum(self._bins[0], 1)))
        metrics = {
            "loss": self._loss / pixels,
            "accuracy": float(right.sum() / pixels),
            "balanced_accuracy": float(columns["recall"][support > 0].mean()),
            "mean_iou": float(columns["iou"][occurs].mean()),
            "dice": float(columns["f1"][occurs].mean()),
            "boundary_f1": float(columns["boundary_f1"][outlined].mean()) if outlined.any() else float("nan"),
            "brier_score": self._squares / pixels,
            "calibration_error": reliability.error,
        }
        rows = {
            name: {column: float(values[place]) for column, values in columns.items()}
            for place, name in enumerate(self._names)
        }
        return MaskReport(metrics, self._names, rows, self._confusion, reliability, self._pictures)
