"""The form in which images are wanted, checked before any file is read."""

from __future__ import annotations

import numpy as np

from keras_transfer._arguments import Choice, ImageSize, Kind, Part, Whole, checked_values
from keras_transfer._checks import InputError
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.pixels.resizing import RESIZES

PIXEL_RANGE = Kind(
    lambda value: isinstance(value, (tuple, list)) and len(value) == 2 and value[0] < value[1],
    "(black, white), two numbers, black below white",
)
FORM = {"image_size": ImageSize(), "resize": Part(RESIZES), "batch_size": Whole(1)}
_SAMPLING = Choice("once", "balanced")


def check_form(
    image_size: tuple[int, int],
    resize: str,
    augment: augmentations.Augment,
    batch_size: int,
    sampling: str = "once",
) -> None:
    """Checks what ImageData is made of; sources call it before they read files.

    Raises:
        InputError: if something is unknown or out of range.
    """
    checked_values(FORM, {"image_size": image_size, "resize": resize, "batch_size": batch_size})
    _SAMPLING("sampling", sampling)
    augmentations.find(augment)
    augmentations.find_mixing(augment)


def pair(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Writes an image size as (height, width)."""
    return FORM["image_size"]("image_size", image_size)


def check_taught(taught: np.ndarray, count: int, *, mixes: bool) -> None:
    """Checks what batches shall hold in place of the labels of so many training images.

    Raises:
        InputError: if its form is another, or images are mixed.
    """
    if taught.ndim != 3 or taught.shape[1] != count or taught.dtype != np.float32 or not len(taught):
        raise InputError(f"Expected `taught` float32 (views, {count}, width). Received: {taught.dtype} {taught.shape}.")
    if mixes:
        raise InputError("Expected images that are not mixed, for answers to learn. Received: `augment` that mixes.")
