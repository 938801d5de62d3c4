"""Curves: metrics plotted over epochs, and the loss plotted over learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_transfer.plots.figure import Figure


def plot_history(history: Mapping[str, Sequence[float]], boundaries: Sequence[int] = ()) -> Figure:
    """Plots training and validation metrics over epochs, with a vertical line where each phase begins.

    Args:
        history: by the name of a metric, its value in each epoch; such as `keras.callbacks.History.history`.
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


def plot_path(path: Sequence[Mapping[str, Any]]) -> Figure:
    """Plots the losses of a cross-validation over the penalties of a head that was solved, with the one chosen.

    Args:
        path: `history.path` of `fine_tune`. Each penalty has `C`, its inverse; `loss`, a mean over the folds;
            `deviation`, its standard deviation; and `chosen`.
    """
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    strengths, losses, deviations = ([tried[name] for tried in path] for name in ("C", "loss", "deviation"))
    axes.errorbar(strengths, losses, deviations, marker=".", capsize=3)
    for tried in path:
        if tried["chosen"]:
            axes.axvline(tried["C"], color="tab:orange", linestyle=":", label=f"chosen: {tried['C']:g}")
            axes.legend()
    axes.set_xscale("log")
    axes.set_xlabel("C, the inverse of the penalty")
    axes.set_ylabel("loss on images held out")
    return figure


def plot_reliability(count: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray) -> Figure:
    """Plots the share of answers that are right over their probability; on the line, probabilities mean what they say.

    Args:
        count: answers in each bin of their probability, int `(bins,)`.
        confidence: their mean probability, in [0, 1], `(bins,)`.
        accuracy: the share of them that is right, in [0, 1], `(bins,)`.
    """
    figure = Figure(figsize=(4.6, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = count > 0
    edges = np.linspace(0, 1, len(count) + 1)
    above.plot([0, 1], [0, 1], color="grey", linestyle=":")
    above.bar(edges[:-1][filled], accuracy[filled], 1 / len(count), align="edge", alpha=0.4)
    above.plot(confidence[filled], accuracy[filled], marker="o", linestyle="none")
    above.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    below.bar(edges[:-1], count, 1 / len(count), align="edge", alpha=0.4)
    below.set(xlabel="probability of the answer", ylabel="answers")
    return figure


def plot_rates(rates: Sequence[float], losses: Sequence[float], suggestion: float) -> Figure:
    """Plots the losses of a learning-rate finder over the learning rates, with a line at the suggested rate."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(rates, losses)
    axes.axvline(suggestion, color="tab:orange", linestyle=":", label=f"suggested: {suggestion:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    axes.legend()
    return figure


def plot_progress(seconds: Sequence[float], losses: Sequence[float], title: str) -> Figure:
    """Plots the loss of each trial over the seconds at its end, and the smallest so far as a line."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(seconds, losses, alpha=0.6, label="trials")
    axes.step(seconds, np.minimum.accumulate(losses) if len(losses) else [], where="post", label="the best so far")
    axes.set_xlabel("seconds")
    axes.set_ylabel(title)
    axes.legend()
    return figure
