"""Report: how good a model is on labelled images, as numbers, as a table and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.plots.matrices import plot_confusion
from keras_transfer.tasks.reliability import Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS, _WORST = 40, 20  # classes of which a table shows all; how many it shows of more
_COLUMNS = ("precision", "recall", "f1", "support")


@dataclass(frozen=True, eq=False)
class Report:
    """The result of `evaluate`. `print(report)` shows it as a table.

    Attributes:
        metrics: value by name: loss (the mean negative log-likelihood), accuracy, balanced accuracy, top-5 accuracy
            from six classes on; how far probabilities mean what they say: the calibration error (see
            `reliability`), and the Brier score, the mean over images of the squared distance between the probabilities
            and 1 for what is true, 0 for the rest, in [0, 2] (Brier, "Verification of Forecasts Expressed in Terms of
            Probability", 1950, eq. 2).
        class_names: name of each class.
        per_class: precision, recall, f1 and support of each class, by its name.
        confusion: int `(num_classes, num_classes)`, rows are true classes; of several labels at once, one 2x2
            matrix for each label `(num_classes, 2, 2)`.
        reliability: answers by their probability, and how many of them are right; `report.reliability.plot()`.
    """

    metrics: dict[str, float]
    class_names: tuple[str, ...]
    per_class: dict[str, dict[str, float]]
    confusion: np.ndarray
    reliability: Reliability

    @property
    def images(self) -> int:
        """Number of images."""
        return int(self.confusion.sum() if self._one_class else self.confusion[0].sum())

    @property
    def answers(self) -> int:
        """Number of single answers that are right or wrong."""
        return self.images

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each class, by its name."""
        return {name: int(row["support"]) for name, row in self.per_class.items()}

    @property
    def shares(self) -> dict[str, float]:
        """The metrics that are shares of the images."""
        names = ("accuracy", "top_5_accuracy") if self._one_class else ()
        return {name: self.metrics[name] for name in names if name in self.metrics}

    def tally(self, index: int) -> tuple[int, int, int]:
        """Returns how many images of a class were found, were said to be of it, and are of it."""
        matrix, place = (self.confusion, index) if self._one_class else (self.confusion[index], 1)
        return int(matrix[place, place]), int(matrix[:, place].sum()), int(matrix[place].sum())

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as plain numbers, lists and names, ready for JSON; not-a-number becomes None."""
        return {
            "metrics": {name: None if math.isnan(value) else value for name, value in self.metrics.items()},
            "class_names": list(self.class_names),
            "per_class": self.per_class,
            "confusion": self.confusion.tolist(),
            "reliability": {name: values.tolist() for name, values in vars(self.reliability).items()},
        }

    def plot(self) -> Figure:
        """Draws the confusion matrix.

        Raises:
            InputError: for several labels at once, which have no common matrix.
        """
        if not self._one_class:
            raise InputError("Expected a report with one class an image. Received: one of several labels an image.")
        return plot_confusion(self.confusion, self.class_names)

    @property
    def _one_class(self) -> bool:
        return self.confusion.ndim == 2

    def __str__(self) -> str:
        rows = self.per_class
        if len(rows) > _ROWS:
            seen = [name for name in rows if rows[name]["support"]]
            rows = {name: rows[name] for name in sorted(seen, key=lambda name: rows[name]["f1"])[:_WORST]}
        width = max(len(name) for name in (*rows, *self.metrics))
        lines = [f"{name.replace('_', ' '):<{width + 2}}{value:9.4f}" for name, value in self.metrics.items()]
        if len(rows) < len(self.per_class):
            lines += ["", f"the {len(rows)} of {len(self.per_class)} classes with the lowest F1; `per_class` has all"]
        lines += ["", f"{'class':<{width + 2}}{'precision':>9}{'recall':>9}{'f1':>9}{'support':>9}"]
        for name, row in rows.items():
            numbers = "".join(f"{row[key]:9.3f}" for key in _COLUMNS[:3])
            lines.append(f"{name:<{width + 2}}{numbers}{row['support']:9.0f}")
        return "\n".join(lines)


def per_class(columns: Sequence[Sequence[float]], class_names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Returns the rows of a report: for each class its precision, recall, F1 and number of images.

    Args:
        columns: these four, a number for each class.
        class_names: name of each class.
    """
    rows = zip(*columns, strict=True)
    return {
        name: dict(zip(_COLUMNS, map(float, row), strict=True)) for name, row in zip(class_names, rows, strict=True)
    }


def check_names(output_names: Sequence[str], class_names: Sequence[str]) -> None:
    """Raises DataError unless all classes of labelled images are those of a model, which may have more."""
    if not set(class_names) <= set(output_names):
        raise DataError(f"Expected the model's classes {list(output_names)}. Received: {list(class_names)}.")


def checked_names(
    class_names: Sequence[str] | None, count: int, output_names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """Returns the names of `count` outputs, their numbers by default.

    Args:
        class_names: those of the data.
        count: number of outputs.
        output_names: those that the model has; theirs are taken where all of `class_names` are among them.

    Raises:
        DataError: if there are more or fewer, or only some of them are the model's.
    """
    names = tuple(map(str, range(count))) if class_names is None else tuple(class_names)
    known = tuple(output_names or ())
    if len(known) == count and set(names) <= set(known):
        return known
    strangers = [name for name in names if name not in known]
    if len(known) == count and len(strangers) < len(names):
        raise DataError(f"Expected classes of the model, {list(known[:20])}. Received also: {strangers[:20]}.")
    if len(names) != count:
        raise DataError(f"Expected {count} class names, one for each output. Received: {list(names)}.")
    return names
