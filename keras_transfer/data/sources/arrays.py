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
    """Returns the data of images and labels in NumPy arrays.

    Args:
        images: uint8 or float32 `(count, height, width, 3)` in [0, 255].
        labels: integers `(count,)` from 0 for one class per image; 0 and 1 `(count, num_labels)` for several labels per
            image; or floats `(count,)` or `(count, num_targets)` for regression.
        class_names: name of each class, label or target; by default their numbers.
        image_size: height and width in pixels, or one number for both; by default those of `images`.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of the images of each class that is held out for validation, in (0, 1).
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if `images` have another dtype or shape, or an argument is unknown or out of range.
        DataError: if labels and images or names do not fit, or a class has only one image.

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
