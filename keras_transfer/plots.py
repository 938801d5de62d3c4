"""Pictures: samples, learning curves, schedules and confusion matrices, as matplotlib figures without global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib import figure as matplotlib_figure
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from keras_transfer.phases import HEAD, Phase, open_parts, rate_factor, starts
from keras_transfer.rates import RATES, Rate


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
    metrics = [name for name in history if not name.startswith(("val_", "learning_rate"))]
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


def plot_schedule(
    phases: Sequence[Phase],
    stages: Sequence[str],
    *,
    rate: str | Rate | None = "constant",
    began: Sequence[int] | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Draws which parts are open at which learning rate over the epochs; the head is on top, grey is frozen.

    Args:
        phases: such as `kt.schedules.gradual(9, 1e-3, stages)`.
        stages: names of the backbone's stages, such as `kt.stages(model)`.
        rate: how the rate moves within each phase: name in `kt.available("rate")` or a function.
        began: epoch, counted from 0, at which each phase began, where that was not by their epochs; see the attribute
            of UnfreezeSchedule. The last one lasts as long as `history`.
        history: values by metric and epoch; the first metric is drawn over the schedule.

    Example:
        >>> from keras_transfer.schedules import gradual
        >>> len(plot_schedule(gradual(9, 1e-3, ["conv1", "conv2"]), ["conv1", "conv2"]).axes)
        2
    """
    steps = 24  # columns an epoch
    parts, edges = (*stages, HEAD), starts(phases)
    if began is not None:
        lasted = len(next(iter((history or {}).values()), ()))
        edges = [*began, max(lasted, began[-1] + 1)]
    rates = np.full((len(parts), edges[-1] * steps), np.nan)
    for phase, begin, end in zip(phases, edges, edges[1:], strict=False):
        progress = np.arange((end - begin) * steps) / ((end - begin) * steps)
        factors = np.array([RATES.find(rate or "constant")(value) for value in progress])
        for part in open_parts(stages, phase.unfrozen):
            row = phase.learning_rate * rate_factor(phase.layer_decay, stages, part) * factors
            rates[parts.index(part), begin * steps : end * steps] = row
    figure = Figure(figsize=(max(5.0, 1.5 + 0.45 * edges[-1]), 1.4 + 0.36 * len(parts)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor("0.92")
    rates[rates <= 0] = np.nan
    low, high = np.nanmin(rates), np.nanmax(rates)
    mesh = axes.pcolormesh(
        np.linspace(0.5, edges[-1] + 0.5, rates.shape[1] + 1),
        np.arange(len(parts) + 1) - 0.5,
        rates,
        norm=LogNorm(low, high if high > low else low * 1.01),
        cmap="YlGnBu",
        alpha=0.8,
    )
    axes.set_yticks(range(len(parts)), parts)
    axes.hlines(np.arange(1, len(parts)) - 0.5, 0.5, edges[-1] + 0.5, color="white", linewidth=2)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(mesh, ax=axes, label="learning rate", pad=0.12 if history else 0.02)
    if history:
        metrics = [name for name in history if not name.startswith(("val_", "learning_rate"))]
        name = next((name for name in metrics if name != "loss"), "loss")
        over = axes.twinx()
        for key, style in ((name, "--"), (f"val_{name}", "-")):
            if key in history:
                values = history[key]
                label = "training" if key == name else "validation"
                over.plot(np.arange(1, len(values) + 1), values, style, color="black", marker=".", label=label)
        over.set_ylabel(name.replace("_", " "))
        over.legend(loc="lower right")
    return figure


def plot_rates(rates: Sequence[float], losses: Sequence[float], suggestion: float) -> Figure:
    """Draws the loss over the learning rate, both as a learning-rate finder met them, and the suggested rate."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, losses)
    axes.axvline(suggestion, color="tab:orange", linestyle=":", label=f"suggested: {suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
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


def plot_two_sets(first: np.ndarray, second: np.ndarray, title: str) -> Figure:
    """Draws two sets of points float `(count, 2)` over each other."""
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    axes = figure.add_subplot()
    for points, label, marker in ((first, "first", "o"), (second, "second", "^")):
        axes.scatter(points[:, 0], points[:, 1], s=14, alpha=0.6, marker=marker, label=f"{label} ({len(points)})")
    axes.set_title(title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend()
    return figure


def plot_domains(panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draws source and target over each other, a panel for each title: points float `(count, 2)` of either."""
    figure = Figure(figsize=(4.6 * len(panels), 4.2), layout="constrained")
    for place, (title, domains) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(1, len(panels), place)
        for points, label, marker in zip(domains, ("source", "target"), ("o", "^"), strict=True):
            axes.scatter(points[:, 0], points[:, 1], s=12, alpha=0.5, marker=marker, label=label)
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    axes.legend()
    return figure
