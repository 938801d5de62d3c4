"""Scatter plots of points in two dimensions."""

from __future__ import annotations

from collections.abc import Mapping

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
