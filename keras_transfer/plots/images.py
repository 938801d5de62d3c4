"""A grid of images with titles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer.plots.figure import Figure


def plot_images(images: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draws images in a square grid, each with a title.

    Args:
        images: arrays `(height, width, 3)` in [0, 255], uint8 or float32.
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
