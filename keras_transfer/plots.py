"""Pictures: samples, learning curves and confusion matrices, as matplotlib figures without global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib import figure as matplotlib_figure


class Figure(matplotlib_figure.Figure):
    """A matplotlib figure that Jupyter shows by itself, without pyplot and its global state."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()


def plot_images(images: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draws images in a square grid with a title each.

    Args:
        images: each `(height, width, 3)` in [0, 255], uint8 or float32.
        titles: one for each image.
    """
    columns = max(1, int(np.ceil(np.sqrt(len(images)))))
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(2 * columns, 2.2 * rows), layout="constrained")
    for place, (image, title) in enumerate(zip(images, titles, strict=True), start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(np.clip(image, 0, 255).astype(np.uint8))
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure


def plot_history(history: Mapping[str, Sequence[float]], boundaries: Sequence[int] = ()) -> Figure:
    """Draws learning curves, training and validation, with a line where each phase begins.

    Args:
        history: values by metric and epoch, such as `keras.callbacks.History.history`.
        boundaries: first epoch of each phase after the first, counted from 0.
    """
    metrics = [name for name in history if not name.startswith("val_") and name != "learning_rate"]
    figure = Figure(figsize=(5 * len(metrics), 3.6), layout="constrained")
    for place, name in enumerate(metrics, start=1):
        axes = figure.add_subplot(1, len(metrics), place)
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                axes.plot(np.arange(1, len(history[key]) + 1), history[key], marker=".", label=label)
        for epoch in boundaries:
            axes.axvline(epoch + 0.5, color="grey", linestyle=":", linewidth=1)
        axes.set_xlabel("epoch")
        axes.set_title(name.replace("_", " "))
        axes.legend()
    return figure


def plot_confusion(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draws a confusion matrix: rows are the true classes, columns the predicted ones, cells count images."""
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
