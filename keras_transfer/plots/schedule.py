"""A plot of a schedule: which parts are open in each epoch, and at which learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import MaxNLocator

from keras_transfer.plots.figure import Figure
from keras_transfer.schedules.parts import HEAD, open_parts, rate_factor
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.schedules.rates import RATES, Rate


def plot_schedule(
    phases: Sequence[Phase],
    stages: Sequence[str],
    *,
    rate: str | Rate | None = "constant",
    began: Sequence[int] | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Plots which parts are open in each epoch; the colour is the learning rate, frozen parts are grey.

    The parts are rows, from the first stage at the bottom to the head on top. A head that is solved is named so.

    Args:
        phases: the phases, such as `kt.schedules.gradual(9, 1e-3, stages)`.
        stages: names of the backbone's stages, such as `kt.stages(model)`.
        rate: how the learning rate changes within each phase: name in `kt.available("rate")` or a function.
        began: epoch, counted from 0, at which each phase began. Needed if it did not follow from the phases' epochs;
            see `UnfreezeSchedule.began`. The last phase then ends with `history`.
        history: by the name of a metric, its value in each epoch. The first metric besides the loss is plotted over the
            schedule.

    Example:
        >>> from keras_transfer.schedules import gradual
        >>> len(plot_schedule(gradual(9, 1e-3, ["conv1", "conv2"]), ["conv1", "conv2"]).axes)
        2
    """
    steps = 24  # columns for each epoch
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
    trained = rates[np.isfinite(rates)]
    low, high = (trained.min(), trained.max()) if trained.size else (1e-3, 1e-3)
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
    for phase, begin, end in zip(phases, edges, edges[1:], strict=False):
        if phase.solves:
            axes.text((begin + end + 1) / 2, parts.index(HEAD), "solved", ha="center", va="center", rotation=90, size=7)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if trained.size:
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
