"""Data from a table: a pandas DataFrame or a CSV file with a row for each image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import check_classes, with_units
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import check_files
from keras_transfer.data.formats.naming import EXTENSIONS, format_named
from keras_transfer.data.hearing import Heard, listen
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sound_data import SoundData
from keras_transfer.data.sources.assembling import Assembly
from keras_transfer.data.sources.cells import row_name
from keras_transfer.data.sources.sound_form import SoundForm
from keras_transfer.data.sources.tables import Table, labels_of
from keras_transfer.data.sources.text_frames import texts_of_table
from keras_transfer.data.sources.texts import TextForm
from keras_transfer.data.splitting.lists import read_quarantine
from keras_transfer.data.splitting.splits import group_ids
from keras_transfer.data.text.tokenizing import find_tokenizer
from keras_transfer.data.text_data import TextData
from keras_transfer.tasks import TASKS


def from_dataframe(
    frame: Any,
    *,
    image_column: str = "image",
    text_column: str | None = None,
    sound_column: str | None = None,
    label_column: str | Sequence[str] = "label",
    label_separator: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    root: str | os.PathLike[str] | None = None,
    suffix: str = "",
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    units: Mapping[str, str] | Sequence[str] | None = None,
    image_size: int | tuple[int, int] = 224,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    quarantine: str | os.PathLike[str] | None = None,
    pixel_range: tuple[float, float] | None = None,
    tokenizer: Any = None,
    length: int | None = None,
    seconds: float | None = None,
    sample_rate: int | None = None,
    seed: int = 0,
) -> ImageData | SoundData | TextData:
    """Reads images, or sounds, that are listed in a table with one row for each; or the texts in a column.

    Rows without a label, and rows whose file is missing or unusable, are named in a warning and listed in `left_out`.

    Args:
        frame: a pandas DataFrame, a mapping from column names to lists of values, or the path of a CSV file with
            commas, semicolons or tabs.
        image_column: name of the column with the paths of the images, absolute or relative to `root`. If there is no
            `image`, one with a usual name is taken, such as `filename` or `path`.
        text_column: name of the column with texts, in place of images; they need a `tokenizer`.
        sound_column: name of the column with the paths of sounds, in place of images.
        label_column: name of the column with class names or whole numbers; if there is no `label`, `class`, `category`
            or `target`. For several labels per image: a column with lists of names, or a list of columns with values 0
            and 1 (or yes and no), one column for each label.
        label_separator: text between the labels in `label_column`, such as "|", if an image may have several labels.
        split_column: name of the column with "train", "validation" (or "val") or "test". By default a share of each
            class is held out for validation.
        group_column: name of a column, such as one with patients. Images with the same value are put on the same side
            of the split.
        suffix: what to write behind each path, such as ".jpg" for a column of names or numbers without it.
        root: folder of the images; by default the folder of the CSV file, or the current folder for a table.
        class_names: the class names in order; by default the sorted names that occur.
        task: "regression" to take whole numbers as values to estimate; numbers of which some are not whole are taken so
            by themselves. Several columns of them are several values per image.
        units: of values to estimate, by name or one for each, such as {"age": "years"}; reports, exports and cards then
            name them.
        image_size: height and width in pixels, or one number for both.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1), if no row has the split
            "validation".
        quarantine: a file written by `Checkup.save_quarantine`, which lists images to leave out.
        pixel_range: the values that become black and white where a file has more than 8 bits a channel; by default
            those of the fewest bits that hold the values of all training images, such as (0, 4095).
        tokenizer: of texts: that of the network; see `from_texts`.
        length: tokens of a text at most; by default those of the longest, but at most 256.
        seconds: of sounds: length of each; by default one that 95 % of the files fit into, but at most 10.
        sample_rate: of sounds: samples a second; by default those that most files have, but at most 16,000.
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if `frame` is not a table, a column is missing, or an argument is unknown or out of range.
        DataError: if a label or split is unknown or has the wrong type, an image is listed with two labels or splits,
            the groups cannot be split, or a split has no usable image.

    Example:
        >>> table = {"image": ["a.jpg", "b.jpg"], "label": ["cat", "dog"]}
        >>> from_dataframe(table, root="nowhere")
        Traceback (most recent call last):
        keras_transfer._checks.DataError: Expected usable images in the split 'train'. Received: 2 rows, none of them
        usable; a.jpg cannot be read (No such file or directory).
    """
    if task is not None:
        TASKS.find(task)
    if sound_column is None and not (seconds is None and sample_rate is None):
        raise InputError("Expected `seconds` and `sample_rate` with `sound_column`. Received: no sound_column.")
    if text_column is not None and sound_column is not None:
        raise InputError("Expected a `text_column` or a `sound_column`. Received: both.")
    if text_column is not None:
        form = TextForm(find_tokenizer(tokenizer), length, augment, batch_size, validation_split, seed)
        return texts_of_table(
            Table(frame, root),
            text_column,
            label_column,
            form,
            label_separator=label_separator,
            split_column=split_column,
            group_column=group_column,
            class_names=class_names,
            task=task,
            units=units,
        )
    if tokenizer is not None or length is not None:
        raise InputError("Expected `tokenizer` and `length` with `text_column`. Received: no text_column.")
    changes = "none" if sound_column else augment
    assembly = Assembly(image_size, resize, changes, batch_size, validation_split, seed, pixel_range)
    sounds = SoundForm(seconds, sample_rate, augment, batch_size, validation_split, seed) if sound_column else None
    heard: dict[Path, Heard] = {}
    noun = "sounds" if sounds else "images"
    table = Table(frame, root)
    paths = table.paths(sound_column or image_column, suffix)
    labels, names = labels_of(table, label_column, label_separator, class_names, task)
    known = next((label for label in labels if label is not None), None)
    values = isinstance(known, list) and isinstance(known[0], float)
    if values:
        names = with_units(names, units)
    else:
        check_classes(names)
        if units is not None:
            raise InputError(f"Expected no `units` for classes. Received: {units!r}.")
    splits = table.splits(split_column)
    groups = None if group_column is None else group_ids(table.column(group_column))
    left_out = _repeated(paths, labels, splits)
    left_out |= {row: "has no label" for row, label in enumerate(labels) if label is None and row not in left_out}
    listed = {item.path: item.reason for item in read_quarantine(quarantine, table.root)}
    left_out |= {row: listed[path] for row, path in enumerate(paths) if path in listed and row not in left_out}
    wanted = [path for row, path in enumerate(paths) if row not in left_out]
    if sounds is None:
        unusable = _unusable(wanted, assembly.side)
    else:
        heard, silent = listen(wanted)
        unusable = {item.path: item.reason for item in silent}
    left_out |= {row: unusable[path] for row, path in enumerate(paths) if path in unusable and row not in left_out}
    gone = [LeftOut(paths[row], reason) for row, reason in sorted(left_out.items())]

    def examples(split: str) -> Examples:
        rows = [row for row, of in enumerate(splits) if of == split and row not in left_out]
        if not rows:
            count, why = splits.count(split), f"; {gone[0].path.name} {gone[0].reason}" if gone else ""
            raise DataError(
                f"Expected usable {noun} in the split {split!r}. Received: {count} rows, none of them usable{why}."
            )
        return Examples(
            np.array([str(paths[row]) for row in rows], dtype=object),
            np.array([labels[row] for row in rows], np.float32 if values else np.int64),
            groups=None if groups is None else groups[rows],
        )

    found = {
        split: examples(split) for split in ("train", *(name for name in ("validation", "test") if name in splits))
    }
    note_left_out(gone, len(paths), table.root, noun)
    if sounds is not None:
        return sounds.data(found, names, heard, gone, table.root)
    return assembly.data(found, names, gone, table.root)


def _repeated(paths: Sequence[Path], labels: Sequence[Any], splits: Sequence[str]) -> dict[int, str]:
    """Returns the rows that repeat an earlier row, each with a reason.

    Raises:
        DataError: if an image is listed twice with different labels or splits.
    """
    first: dict[Path, int] = {}
    again = {}
    for row, path in enumerate(paths):
        earlier = first.setdefault(path, row)
        if earlier == row:
            continue
        if (labels[earlier], splits[earlier]) != (labels[row], splits[row]):
            raise DataError(
                f"Expected each image once. Received: {str(path)!r} in {row_name(earlier)} and {row_name(row)}, "
                "with different labels or splits."
            )
        again[row] = f"is listed in {row_name(earlier)} already"
    return again


def _unusable(paths: Sequence[Path], side: int) -> dict[Path, str]:
    named = [path for path in paths if format_named(path)]
    why = f"is not named like an image ({', '.join(EXTENSIONS)})"
    strange = {path: why for path in paths if not format_named(path)}
    return strange | {item.path: item.reason for item in check_files(named, side)}
