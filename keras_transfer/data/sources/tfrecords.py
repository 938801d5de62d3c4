"""Data from TFRecord files of encoded images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import check_classes, ordered
from keras_transfer.data.examples import Examples
from keras_transfer.data.files import LeftOut, check_encoded
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.assembling import Assembly

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def from_tfrecord(
    train: Files,
    validation: Files | None = None,
    test: Files | None = None,
    *,
    image_key: str = "image/encoded",
    label_key: str = "image/class/label",
    class_names: Sequence[str] | None = None,
    image_size: int | tuple[int, int] = 224,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    pixel_range: tuple[float, float] | None = None,
    seed: int = 0,
) -> ImageData:
    """Reads TFRecord files of `tf.train.Example`, each with an encoded image and a label.

    The encoded images are held in memory. Images that cannot be decoded are named in a warning and listed in
    `left_out`; so are files with a damaged record, which are read up to the damage.

    Args:
        train: path of a file, a pattern such as "photos-*.tfrecord", or a list of these.
        validation: the same for the validation split; by default a share of each class is held out.
        test: the same for the test split; by default there is none.
        image_key: name of the feature with the bytes of a JPEG, PNG, GIF, BMP or WebP file.
        label_key: name of the feature with the number of a class, from 0, or its name.
        class_names: name of each class; by default their numbers, or the sorted names that occur.
        image_size: height and width in pixels, or one number for both.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1), if `validation` is None.
        pixel_range: the values that become black and white where a file has 16 bits a channel; by default those of the
            fewest bits that hold the values of all training images, such as (0, 4095).
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if an argument is unknown or out of range.
        DataError: if a file does not exist, a record lacks a feature, a label is unknown, or a split has no usable
            image.
    """
    assembly = Assembly(image_size, resize, augment, batch_size, validation_split, seed, pixel_range)
    given = {"train": train, "validation": validation, "test": test}
    left_out: list[LeftOut] = []
    records = {
        split: [record for file in _found(files) for record in _records(file, image_key, label_key, left_out)]
        for split, files in given.items()
        if files is not None
    }
    raw = [label for split in records.values() for _, _, label in split]
    names = _names(raw, class_names)
    check_classes(names)
    numbers = {name: number for number, name in enumerate(names)}
    splits, count = {}, len(raw) + len(left_out)
    for split, rows in records.items():
        bad = dict(check_encoded([content for _, content, _ in rows], [name for name, *_ in rows], assembly.side))
        left_out += bad.values()
        kept = [row for index, row in enumerate(rows) if index not in bad]
        if not kept:
            raise DataError(f"Expected usable images in {given[split]!r}. Received: {len(rows)} records, none usable.")
        labels = [label if isinstance(label, int) else numbers[label] for _, _, label in kept]
        contents = np.array([content for _, content, _ in kept], dtype=object)
        splits[split] = Examples(contents, np.array(labels, np.int64), encoded=True)
    note_left_out(left_out, count, None)
    return assembly.data(splits, names, left_out)


def _found(files: Files) -> list[str]:
    patterns = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    found = []
    for pattern in patterns:
        matching = sorted(tf.io.gfile.glob(os.fspath(pattern)))
        if not matching:
            raise DataError(f"Expected TFRecord files. Received: {os.fspath(pattern)!r}, which matches none.")
        found += matching
    return found


def _records(file: str, image_key: str, label_key: str, left_out: list[LeftOut]) -> list[tuple[str, bytes, Any]]:
    """Returns name, image and label of each record, up to the first damage."""
    rows: list[tuple[str, bytes, Any]] = []
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(file).as_numpy_iterator()):
            features = tf.train.Example.FromString(record).features.feature
            if not {image_key, label_key} <= set(features):
                raise DataError(
                    f"Expected the features {image_key!r} and {label_key!r}. Received: {sorted(features)} in record "
                    f"{number} of {file!r}. Name them with image_key and label_key."
                )
            label = features[label_key]
            (value,) = [*label.int64_list.value, *label.bytes_list.value] or [None]
            if value is None:
                raise DataError(f"Expected a whole number or a name in {label_key!r}. Received: record {number}.")
            (content,) = features[image_key].bytes_list.value
            rows.append((f"{file}#{number}", content, value.decode() if isinstance(value, bytes) else int(value)))
    except tf.errors.OpError as error:
        left_out.append(LeftOut(Path(file), f"is damaged after {len(rows)} records ({type(error).__name__})"))
    except (ValueError, DecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise DataError(
            f"Expected a tf.train.Example with one image and one label in each record. Received: {file!r} ({error})."
        ) from error
    return rows


def _names(labels: Sequence[Any], class_names: Sequence[str] | None) -> tuple[str, ...]:
    numbers = [label for label in labels if isinstance(label, int)]
    texts = ordered(label for label in labels if not isinstance(label, int))
    if numbers and texts:
        raise DataError(f"Expected labels that are numbers or names. Received both: {numbers[0]} and {texts[0]!r}.")
    names = (
        tuple(class_names) if class_names is not None else tuple(texts or map(str, range(max(numbers, default=0) + 1)))
    )
    strangers = [text for text in texts if text not in names] + [n for n in numbers if not 0 <= n < len(names)]
    if strangers:
        raise DataError(f"Expected labels of the classes {list(names)}. Received: {strangers[0]!r}.")
    return names
