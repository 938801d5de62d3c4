"""Data from NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.sources.assembling import Assembly
from keras_transfer.tasks import standardised


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    class_names: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    seed: int = 0,
) -> ImageData:
    """Takes images and labels that are in memory.

    Args:
        images: uint8 or float32 `(count, height, width, 3)` in [0, 255].
        labels: integers `(count,)` from 0; 0 and 1 `(count, number of labels)` for several labels an image; or
            floats `(count,)` or `(count, targets)` for regression.
        class_names: name of each label; their numbers by default.
        image_size: height and width in pixels, or one number for both; that of `images` by default.
        resize: "crop", "pad" or "stretch".
        augment: what changes training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: images in a batch.
        validation_split: share of each class for validation, in (0, 1).
        seed: of the split, the order and the augmentation.

    Raises:
        InputError: if shapes or labels do not fit, or a class has a single image.

    Example:
        >>> data = from_arrays(np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 2)
        >>> data
        ImageData: 2 classes, 8x8, resize='crop'
          train          16 images: 0 8, 1 8
          validation      4 images: 0 2, 1 2
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or images.shape[-1] != 3 or images.dtype not in (np.uint8, np.float32):
        raise InputError(
            f"Expected `images` uint8 or float32 (count, height, width, 3). Received: {images.dtype} {images.shape}."
        )
    assembly = Assembly(image_size or images.shape[1:3], resize, augment, batch_size, validation_split, seed)
    labels = standardised(labels, len(images))
    count = labels.shape[1] if labels.ndim == 2 else int(labels.max(initial=-1)) + 1
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(count)))
    if len(names) < count:
        raise DataError(f"Expected a name for each of {count} classes. Received: {list(names)}.")
    return assembly.data({"train": Examples(images, labels)}, names)
