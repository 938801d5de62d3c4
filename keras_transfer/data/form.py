"""The form in which images are wanted, checked before any file is read."""

from __future__ import annotations

from collections.abc import Sequence

from keras_transfer._checks import DataError, InputError, positive
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.pixels.resizing import RESIZES


def check_form(
    image_size: tuple[int, int],
    resize: str,
    augment: augmentations.Augment,
    batch_size: int,
) -> None:
    """Checks what ImageData is made of; sources call it before they read files.

    Raises:
        InputError: if something is unknown or out of range.
    """
    RESIZES.find(resize)
    augmentations.find(augment)
    augmentations.find_mixing(augment)
    positive("batch_size", batch_size, whole=True)
    if len(image_size) != 2 or not all(isinstance(side, int) and side > 0 for side in image_size):
        raise InputError(f"Expected `image_size` above 0 pixels. Received: image_size={image_size!r}.")


def check_classes(class_names: Sequence[str]) -> None:
    """Raises InputError unless there is something to tell apart."""
    if len(class_names) < 2:
        raise DataError(
            f"Expected images of 2 or more classes. Received: {len(class_names)}, {list(class_names)}. "
            "A classifier needs something to tell apart: add a folder with pictures of everything else."
        )


def pair(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Writes an image size as (height, width)."""
    return (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)  # type: ignore[return-value]
