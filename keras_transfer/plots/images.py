"""A grid of images with titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_transfer.plots.figure import Figure
from keras_transfer.plots.fonts import families_for


def plot_images(images: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draws images in a square grid, each with a title.

    Args:
        images: arrays `(height, width, channels)` in [0, 255], uint8 or float32; the first three channels are
            drawn, or the first one where there are fewer.
        titles: one for each image; written as codes where no font here has their characters.
    """
    families = families_for(titles)
    figure, places = grid_of(len(images))
    for axes, image, title in zip(places, images, titles, strict=True):
        drawn = np.clip(image[..., : 3 if image.shape[-1] >= 3 else 1], 0, 255).astype(np.uint8)
        axes.imshow(drawn, cmap="gray", vmin=0, vmax=255)
        axes.set_title(title if families else ascii(title)[1:-1], fontsize=9, fontfamily=families)
        axes.set_axis_off()
    return figure


def grid_of(count: int) -> tuple[Figure, list[Any]]:
    """Returns a figure with so many places for drawings in a square grid, and the axes of each."""
    columns = max(1, int(np.ceil(np.sqrt(count))))
    rows = max(1, -(-count // columns))
    figure = Figure(figsize=(2 * columns, 2.2 * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, columns, place + 1) for place in range(count)]
