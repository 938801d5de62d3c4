"""Images without labels: a target to adapt to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import check_files, find_images
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.pipeline_data import PipelineData
from keras_transfer.data.sources.array_forms import as_images
from keras_transfer.data.sources.assembling import Assembly

UNKNOWN = "unknown"


def unlabelled(
    images: str | os.PathLike[str] | np.ndarray | Sequence[np.ndarray],
    *,
    pixel_range: tuple[float, float] | None = None,
    channels: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> ImageData:
    """Reads images without labels, such as the target of `adapt`.

    Args:
        images: a folder, from which all images are read, at any depth; or an array or a list of images in one of the
            forms that `from_arrays` takes.
        pixel_range: the values that stand for black and white; see `from_arrays` and `from_directory`.
        channels: those of images in an array; see `from_arrays`.
        image_size: height and width in pixels, or one number for both; by default 224 for files, and the size of the
            images for an array.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images; see `kt.augment`.
        batch_size: number of images in a batch.
        validation_split: share of the images that is held out for validation, in (0, 1).
        exclude: patterns of file names, or of paths below the folder, to leave out.
        seed: seed of the split, the order and the augmentation.

    Returns:
        Data with one class named "unknown", in which all labels are not-a-number.

    Raises:
        InputError: if the folder does not exist, or an argument is unknown or out of range.
        DataError: if there are fewer than two usable images.

    Example:
        >>> unlabelled(np.zeros((10, 8, 8, 3), "uint8"))
        ImageData: 1 classes, 8x8, resize='crop'
          train           8 images: all 8
          validation      2 images: all 2
    """
    left_out: list[LeftOut] = []
    root = None
    if not isinstance(images, (str, os.PathLike)):
        items = as_images(images, pixel_range, channels)
        if items.dtype == object and image_size is None:
            raise InputError("Expected an `image_size` for images of several sizes. Received: None.")
        size = image_size or items.shape[1:3]
    else:
        root = Path(images).expanduser()
        if not root.is_dir():
            raise InputError(f"Expected a folder of images. Received: {str(images)!r}, which is not a folder.")
        size = image_size or 224
        names = [(path, path.relative_to(root).as_posix()) for path in find_images(root)]
        wanted = [
            path for path, name in names if not any(fnmatch(name, each) or fnmatch(path.name, each) for each in exclude)
        ]
        left_out = check_files(wanted, size if isinstance(size, int) else max(size))
        note_left_out(left_out, len(wanted), root)
        bad = {item.path for item in left_out}
        items = np.array([str(path) for path in wanted if path not in bad], dtype=object)
    if len(items) < 2:
        raise DataError(f"Expected 2 usable images or more, to train on and to validate with. Received: {len(items)}.")
    assembly = Assembly(
        size, resize, augment, batch_size, validation_split, seed, None if root is None else pixel_range
    )
    encoded = root is None and items.dtype == object
    return assembly.data({"train": Examples(items, _unknown(len(items)), encoded)}, (UNKNOWN,), left_out, root)


def blinded(data: PipelineData) -> PipelineData:
    """Returns the same images, in the same splits, without their labels, and with epochs of its own."""
    splits = {name: replace(examples, labels=_unknown(len(examples))) for name, examples in data.splits.items()}
    return replace(data, splits=splits, class_names=(UNKNOWN,))  # type: ignore[type-var]  # a dataclass


def is_labelled(data: LabelledData) -> bool:
    """Returns whether the training images have labels."""
    labels = data.splits["train"].labels
    return labels.dtype.kind != "f" or not np.isnan(labels).any()


def _unknown(count: int) -> np.ndarray:
    return np.full((count, 1), np.nan, np.float32)
