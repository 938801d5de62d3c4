"""Texts with their labels, as a page."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from keras_transfer.plots.figure import Figure
from keras_transfer.plots.fonts import families_for

_WIDE, _LINES = 90, 4  # characters of a line, lines of a text that are shown


def plot_texts(texts: Sequence[str], labels: Sequence[str]) -> Figure:
    """Writes texts below each other, each under its label; of a long one the beginning.

    Args:
        texts: of any length.
        labels: one for each text.
    """
    families = families_for([*texts, *labels])
    figure = Figure(figsize=(9, 0.4 + 1.0 * len(texts)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_ylim(len(texts), 0)
    for place, (text, label) in enumerate(zip(texts, labels, strict=True)):
        lines = wrap(" ".join(text.split()), _WIDE, max_lines=_LINES, placeholder=" ...") or ["(empty)"]
        shown = [label, "\n".join(lines)]
        title, body = shown if families else [ascii(part)[1:-1].replace("\\n", "\n") for part in shown]
        axes.text(0, place, title, weight="bold", va="top", fontsize=9, fontfamily=families, parse_math=False)
        axes.text(0, place + 0.22, body, va="top", fontsize=8, fontfamily=families, parse_math=False)
    return figure
