"""Masks in arrays, as labels for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer.data.classes import written
from keras_transfer.data.masks.fitting import fitted
from keras_transfer.data.masks.legend import MOST
from keras_transfer.tasks import TASKS, UNKNOWN, Segmentation


def are_masks(labels: Any) -> bool:
    """Says whether labels are whole numbers for every pixel, `(count, height, width)` or with one channel."""
    found = labels if isinstance(labels, np.ndarray) else np.zeros(0)
    return found.dtype.kind in "iub" and (found.ndim == 3 or (found.ndim == 4 and found.shape[-1] == 1))


def masks_of(
    masks: np.ndarray,
    size: tuple[int, ...],
    image_size: tuple[int, int],
    resize: str,
    class_names: Sequence[str] | None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns labels for every pixel of images of a size, and the names of the classes.

    Args:
        masks: numbers of classes `(count, height, width)` or `(count, height, width, 1)`, below 0 for none.
        size: count, height and width of the images.
        image_size: (height, width) that they are resized to.
        resize: how.
        class_names: of the classes; None for their numbers.

    Raises:
        DataError: if masks and images or names do not fit.
    """
    flat = masks.reshape(masks.shape[:3])
    if flat.shape != tuple(size):
        raise DataError(f"Expected a mask for each image, {tuple(size)}. Received: {masks.shape}.")
    most = int(flat.max(initial=0))
    if class_names is None and most >= MOST:
        raise DataError(
            f"Expected masks with numbers of classes from 0 on, below {MOST}, or -1 for none. Received: {most}. Give "
            "class_names for more; write -1 where a pixel has no class, such as np.where(masks == 255, -1, masks)."
        )
    given = map(str, range(most + 1)) if class_names is None else (written(str(name)) for name in class_names)
    names = tuple(given)
    if most >= len(names):
        raise DataError(f"Expected masks with numbers of the classes {list(names)}, or -1. Received: {most}.")
    numbers = np.maximum(flat.astype(np.int16), UNKNOWN)
    if flat.shape[1:] != tuple(image_size):
        numbers = np.stack([fitted(each, image_size, resize, UNKNOWN) for each in numbers])
    return TASKS.find(Segmentation.name).standardised(numbers[..., np.newaxis]), names
