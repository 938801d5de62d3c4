"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer.plots.figure import Figure
from keras_transfer.plots.fonts import families_for

_NUMBERS = 30  # classes up to which numbers of images are written into the matrix
_MOST = 60  # classes whose names a person can read beside a matrix


def plot_confusion(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draws a confusion matrix; of more than sixty classes the sixty that are confused most.

    Where no font here has the characters of the names, their numbers stand for them.

    Args:
        matrix: integers `(num_classes, num_classes)`: numbers of images, with the true classes as rows and the
            predicted classes as columns.
        class_names: name of each class.
    """
    count = len(class_names)
    shown = np.arange(count) if count <= _MOST else np.sort(most_confused(matrix, _MOST))
    few = len(shown) <= _NUMBERS
    side = max(4.0, 0.55 * len(shown) + 2) if few else 0.25 * len(shown) + 4
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    part = matrix[np.ix_(shown, shown)]
    shares = part / np.maximum(matrix.sum(axis=1)[shown, np.newaxis], 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks, names, size = np.arange(len(shown)), [class_names[int(index)] for index in shown], 9 if few else 7
    families = families_for(names)
    if families is None:
        names = [str(index) for index in shown]
    axes.set_xticks(ticks, names, rotation=45 if few else 90, ha="right", fontsize=size, fontfamily=families)
    axes.set_yticks(ticks, names, fontsize=size, fontfamily=families)
    axes.set_xlabel(
        "predicted" if families else "predicted (numbers of `class_names`: no font here has their characters)"
    )
    axes.set_ylabel("true")
    if len(shown) < count:
        axes.set_title(f"the {len(shown)} of {count} classes with the most mistakes")
    if few:
        for row, column in np.argwhere(part):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(part[row, column]), ha="center", va="center", color=colour, fontsize=size)
    return figure


def most_confused(matrix: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the classes with the most mistakes in their row or column, the worst first.

    Example:
        >>> most_confused(np.array([[5, 0, 0], [0, 1, 4], [0, 1, 4]]), 2)
        array([1, 2])
    """
    mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    return np.argsort(-mistakes, kind="stable")[:count]
