"""Scatter plots of points in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_transfer.plots.figure import Figure


def plot_two_sets(first: np.ndarray, second: np.ndarray, title: str) -> Figure:
    """Draws two sets of points, float `(count, 2)` each, in one scatter plot."""
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
    """Draws scatter plots of source and target side by side.

    Args:
        panels: by the title of a plot, the points of the source and of the target, float `(count, 2)` each.
    """
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


def plot_values(values: np.ndarray, estimates: np.ndarray, names: Sequence[str]) -> Figure:
    """Draws estimates over true values, a panel for each, with the line on which they are equal.

    Args:
        values: `(count, num_values)`.
        estimates: of the same shape.
        names: of the values.
    """
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(4.2 * columns, 4 * rows), layout="constrained")
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(rows, columns, place)
        true, estimated = values[:, place - 1], estimates[:, place - 1]
        ends = [min(true.min(), estimated.min()), max(true.max(), estimated.max())]
        axes.plot(ends, ends, color="grey", linewidth=1)
        axes.scatter(true, estimated, s=12, alpha=0.5)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("true")
        axes.set_ylabel("estimated")
    return figure


def plot_costs(places: Mapping[str, tuple[float, float, float]], title: str) -> Figure:
    """Draws what networks reach over the milliseconds that they take for an image, with an area by their megabytes.

    Args:
        places: by the name of a network, milliseconds, what it reaches, and megabytes.
        title: what is reached.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.add_subplot()
    largest = max(megabytes for *_, megabytes in places.values()) or 1.0
    for name, (milliseconds, reached, megabytes) in places.items():
        axes.scatter(milliseconds, reached, s=20 + 380 * megabytes / largest, alpha=0.5)
        axes.annotate(f"{name}, {megabytes:.0f} MB", (milliseconds, reached), fontsize=8, ha="center", va="bottom")
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds an image")
    axes.set_ylabel(title)
    axes.margins(0.2)
    return figure
