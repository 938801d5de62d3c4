"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer.plots.figure import Figure


def plot_confusion(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draws a confusion matrix.

    Args:
        matrix: integers `(num_classes, num_classes)`: numbers of images, with the true classes as rows and the
            predicted classes as columns.
        class_names: name of each class.
    """
    side = max(4.0, 0.55 * len(class_names) + 2)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = np.arange(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if len(class_names) <= 30:
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=9)
    return figure
