"""Data from NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import with_units
from keras_transfer.data.examples import Examples
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.masks.arrays import are_masks, masks_of
from keras_transfer.data.sources.array_forms import as_images, as_labels
from keras_transfer.data.sources.assembling import Assembly


def from_arrays(
    images: np.ndarray | Sequence[np.ndarray],
    labels: np.ndarray | Sequence[Any],
    *,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    units: Mapping[str, str] | Sequence[str] | None = None,
    pixel_range: tuple[float, float] | None = None,
    channels: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    seed: int = 0,
) -> ImageData:
    """Returns the data of images and labels in NumPy arrays.

    Args:
        images: `(count, height, width, 3)` in [0, 255] of any dtype; grey ones without channels or with one; or a list
            of images, of one size or of several.
        labels: for one class per image whole numbers `(count,)` or `(count, 1)`, names, or one-hot rows
            `(count, num_classes)`; 0 and 1 `(count, num_labels)` for several labels per image, and -1 for one that is
            not known; or floats `(count,)` or `(count, num_targets)` for regression. For a class for each pixel numbers
            of classes `(count, height, width)`, -1 for none, which are resized with the images.
        class_names: name of each class, label or target; by default the numbers or names that occur.
        task: "classification", "several_labels" or "regression", where the labels could be of another one: rows of 0
            and 1 with a single 1 each are taken for one-hot, whole numbers that are floats for regression.
        units: of values to estimate, by name or one for each, such as {"age": "years"}; reports, exports and cards then
            name them.
        pixel_range: the values that stand for black and white, such as (0, 1), (-1, 1) or (0, 4095); by default
            (0, 255), and for whole numbers above 255 those of the fewest bits that hold them.
        channels: those of the images, to keep them as they are, for a model with `build_model(channels=...)`; by
            default grey images become RGB, and the last of four channels is dropped.
        image_size: height and width in pixels, or one number for both; by default those of `images`.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of the images of each class that is held out for validation, in (0, 1).
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if `images` have another shape, or an argument is unknown or out of range.
        DataError: if labels and images or names do not fit, or a class has only one image.

    Example:
        >>> data = from_arrays(np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 2)
        >>> data
        ImageData: 2 classes, 8x8, resize='crop'
          train          16 images: 0 8, 1 8
          validation      4 images: 0 2, 1 2
    """
    images = as_images(images, pixel_range, channels)
    encoded = images.dtype == object
    if encoded and image_size is None:
        raise InputError("Expected an `image_size` for images of several sizes. Received: None.")
    assembly = Assembly(image_size or images.shape[1:3], resize, augment, batch_size, validation_split, seed)
    if are_masks(labels) and not encoded:
        found, names = masks_of(np.asarray(labels), images.shape[:3], assembly.size, resize, class_names)
    else:
        found, names = as_labels(labels, len(images), class_names, task)
    examples = Examples(images, found, encoded=encoded)
    if units is not None and examples.task.needs_classes:
        raise InputError(f"Expected no `units` for {examples.task.said_of_labels}. Received: {units!r}.")
    return assembly.data({"train": examples}, with_units(names, units))
