"""Pictures with what each of their pixels shows, as colours over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer.plots.figure import Figure
from keras_transfer.plots.fonts import families_for
from keras_transfer.plots.images import grid_of

_COVER = 0.55  # share of the colour of a class
_NAMED = 24  # classes up to which a legend names them


def plot_masks(images: Sequence[np.ndarray], masks: Sequence[np.ndarray], class_names: Sequence[str]) -> Figure:
    """Draws images in a square grid, each with the colours of its classes over it, and a legend.

    Args:
        images: arrays `(height, width, channels)` in [0, 255], uint8 or float32; the first three channels are drawn,
            or the first one where there are fewer.
        masks: numbers of classes `(height, width)`, or with one channel; pixels below 0 stay as they are.
        class_names: name of each class; where no font here has their characters, their numbers stand for them.
    """
    from matplotlib.patches import Patch

    figure, places = grid_of(len(images))
    colours = palette(len(class_names))
    for axes, image, mask in zip(places, images, masks, strict=True):
        axes.imshow(overlaid(image, mask, colours))
        axes.set_axis_off()
    present = sorted({int(number) for mask in masks for number in np.unique(mask) if number >= 0})[:_NAMED]
    families = families_for(class_names)
    named = [class_names[number] if families else str(number) for number in present]
    patches = [Patch(color=colours[number] / 255, label=name) for number, name in zip(present, named, strict=True)]
    figure.legend(handles=patches, loc="outside lower center", ncols=6, fontsize=8)
    return figure


def overlaid(image: np.ndarray, mask: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Returns an image with the colours of classes over it, uint8 `(height, width, 3)`.

    Args:
        image: `(height, width, channels)` in [0, 255].
        mask: numbers of classes `(height, width)` or `(height, width, 1)`; below 0 for none.
        colours: of each class, uint8 `(num_classes, 3)`.
    """
    image = image[..., np.newaxis] if image.ndim == 2 else image
    shown = np.clip(image[..., : 3 if image.shape[-1] >= 3 else 1], 0, 255).astype(np.float32)
    numbers = mask.reshape(mask.shape[:2]).astype(int)
    mixed = (1 - _COVER) * shown + _COVER * colours[np.maximum(numbers, 0)]
    return np.where((numbers >= 0)[..., np.newaxis], mixed, shown).astype(np.uint8)


def palette(count: int) -> np.ndarray:
    """Returns a colour for each class, uint8 `(count, 3)`: neighbours in number lie far apart in hue.

    Example:
        >>> palette(3).shape
        (3, 3)
    """
    from matplotlib.colors import hsv_to_rgb

    numbers = np.arange(count)
    hues = (numbers * 0.618034) % 1
    values = np.where(numbers % 2, 0.75, 1.0)
    return (255 * hsv_to_rgb(np.stack([hues, np.full(count, 0.85), values], axis=1))).round().astype(np.uint8)
