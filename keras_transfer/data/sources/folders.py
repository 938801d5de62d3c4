"""Data from class folders: one folder a class, or `train/`, `val/` and `test/` of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path

from keras_transfer._checks import DataWarning, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import check_files, find_images
from keras_transfer.data.formats.naming import EXTENSIONS, file_of, format_named
from keras_transfer.data.formats.pages import EACH, PAGES, pages_of
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.notes import note_left_out, note_odd_formats
from keras_transfer.data.sources.assembling import Assembly
from keras_transfer.data.sources.listing import Wanted, examples_of_classes, files_of_classes, matches
from keras_transfer.data.splitting.duplicates import duplicate_groups
from keras_transfer.data.splitting.lists import read_quarantine
from keras_transfer.data.splitting.splits import group_ids

IMAGES = Wanted(
    "images",
    tuple(EXTENSIONS),
    format_named,
    find_images,
    "If they are pictures, convert them to JPEG or PNG.",
)


def from_directory(
    directory: str | os.PathLike[str],
    *,
    image_size: int | tuple[int, int] = 224,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    groups: str | Callable[[Path], Hashable] | None = None,
    exclude: Sequence[str] = (),
    quarantine: str | os.PathLike[str] | None = None,
    pixel_range: tuple[float, float] | None = None,
    pages: str | int = 1,
    seed: int = 0,
) -> ImageData:
    """Reads images from class folders.

    The directory holds one folder for each class; or `train/` and optionally `val/` and `test/`, each with one folder
    for each class. Without `val/`, a share of each class is held out for validation. All files are decoded once to
    find unusable ones. These are named in a warning and listed in `left_out`; the files are not changed.

    Args:
        directory: the folder to read.
        image_size: height and width in pixels, or one number for both.
        resize: how images are resized: "crop" (keeps the aspect ratio and crops the longer side), "pad" (keeps the
            aspect ratio and pads with black) or "stretch".
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1), if there is no `val/`.
        groups: images of one group are put on the same side of the split. "duplicates" groups near-duplicates; a
            function maps the path of a file to its group, such as a patient.
        exclude: patterns of file names, or of paths below `directory`, to leave out, such as "*.gif".
        quarantine: a file written by `Checkup.save_quarantine`, which lists images to leave out.
        pixel_range: the values that become black and white where a file has more than 8 bits a channel; by default
            those of the fewest bits that hold the values of all training images, such as (0, 4095).
        pages: which picture of a file with several, such as TIFF and DICOM, is used: its number from 1 on; or "each",
            for each of them as an image of its own, on the same side of the split.
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if the directory does not exist, or an argument is unknown or out of range.
        DataError: if the directory or a class has no usable image, there is only one class, a split has a class that
            `train/` does not have, or the groups cannot be split.
    """
    if groups is not None and groups != "duplicates" and not callable(groups):
        raise InputError(f"Expected groups='duplicates', a function of a path, or None. Received: groups={groups!r}.")
    with warnings.catch_warnings(action="ignore", category=DataWarning):  # they come once, from the listing below
        names = class_names(directory)
    assembly = Assembly(image_size, resize, augment, batch_size, validation_split, seed, pixel_range)
    names, splits, left_out = labelled_files(
        directory, assembly.side, exclude=exclude, quarantine=quarantine, pages=pages
    )
    if (groups is not None or pages == EACH) and "validation" not in splits:
        items = splits["train"].items
        keys = (
            duplicate_groups(items, assembly.side, encoded=False)
            if groups == "duplicates"
            else [*map(groups if callable(groups) else file_of, map(Path, items))]
        )
        splits["train"] = replace(splits["train"], groups=group_ids(list(keys)))
    return assembly.data(splits, names, left_out, Path(directory).expanduser())


def class_names(directory: str | os.PathLike[str]) -> tuple[str, ...]:
    """Returns the names of the class folders. Images are not decoded.

    Raises:
        InputError: as in `from_directory`.
    """
    names = tuple(files_of_classes(Path(directory).expanduser(), IMAGES)[1]["train"])
    check_classes(names)
    return names


def labelled_files(
    directory: str | os.PathLike[str],
    side: int,
    *,
    exclude: Sequence[str] = (),
    quarantine: str | os.PathLike[str] | None = None,
    pages: str | int = 1,
) -> tuple[tuple[str, ...], dict[str, Examples], list[LeftOut]]:
    """Returns the usable images of class folders by split. Without split folders, all belong to "train".

    Args:
        directory: as in `from_directory`.
        side: the longer side of the image size, in pixels.
        exclude: as in `from_directory`.
        quarantine: as in `from_directory`.
        pages: as in `from_directory`.

    Returns:
        The class names, the examples of each split by its name, and the files that are left out.

    Raises:
        InputError: as in `from_directory`.
    """
    root = Path(directory).expanduser()
    PAGES("pages", pages)
    parts, listed = files_of_classes(root, IMAGES)
    files = {
        split: {name: [page for path in paths for page in pages_of(path, pages)] for name, paths in by_class.items()}
        for split, by_class in listed.items()
    }
    names = tuple(files["train"])
    everything = [path for by_class in files.values() for paths in by_class.values() for path in paths]
    left_out = [LeftOut(path, "is excluded") for path in everything if matches(path, root, exclude)]
    candidates = set(everything) - {item.path for item in left_out}
    left_out += [item for item in read_quarantine(quarantine, root) if item.path in candidates]
    excluded = {item.path for item in left_out}
    left_out += check_files([path for path in everything if path not in excluded], side)
    unusable = {item.path for item in left_out}
    note_left_out(left_out, len(everything), root)
    note_odd_formats([path for path in everything if path not in unusable], root)
    used = {
        split: {name: [path for path in paths if path not in unusable] for name, paths in by_class.items()}
        for split, by_class in files.items()
    }
    splits = examples_of_classes(used, names, parts, IMAGES.noun)
    return names, splits, left_out
