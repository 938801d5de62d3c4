"""Data from TFRecord files of encoded images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import check_encoded
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.array_forms import as_labels
from keras_transfer.data.sources.assembling import Assembly

Files = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def from_tfrecord(
    train: Files,
    validation: Files | None = None,
    test: Files | None = None,
    *,
    image_key: str = "image/encoded",
    label_key: str = "image/class/label",
    name_key: str = "image/class/text",
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
        label_key: name of the feature with the number of a class, from 0 or another number on, or its name; or with
            several numbers, one-hot or for several labels; or with floats for regression.
        name_key: name of the feature with the name of the class beside its number, if there is one.
        class_names: name of each class; by default those of `name_key`, or the numbers or names that occur.
        image_size: height and width in pixels, or one number for both.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1), if `validation` is None.
        pixel_range: the values that become black and white where a file has more than 8 bits a channel; by default
            those of the fewest bits that hold the values of all training images, such as (0, 4095).
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
        split: [record for file in _found(files) for record in _records(file, image_key, label_key, name_key, left_out)]
        for split, files in given.items()
        if files is not None
    }
    every = [row for split in records.values() for row in split]
    found, names = _labels(every, class_names)
    if found.dtype.kind != "f":
        check_classes(names)
    label_of = {row.name: label for row, label in zip(every, found, strict=True)}
    splits, count = {}, len(every) + len(left_out)
    for split, rows in records.items():
        bad = dict(check_encoded([row.content for row in rows], [row.name for row in rows], assembly.side))
        left_out += bad.values()
        kept = [row for index, row in enumerate(rows) if index not in bad]
        if not kept:
            raise DataError(f"Expected usable images in {given[split]!r}. Received: {len(rows)} records, none usable.")
        contents = np.array([row.content for row in kept], dtype=object)
        splits[split] = Examples(contents, np.stack([label_of[row.name] for row in kept]), encoded=True)
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


@dataclass(frozen=True)
class _Record:
    """What one record holds: what to name it by, the bytes of its image, its label and the name of its class."""

    name: str
    content: bytes
    label: Any
    text: str | None


def _records(file: str, image_key: str, label_key: str, name_key: str, left_out: list[LeftOut]) -> list[_Record]:
    """Returns the records of a file, compressed or not, up to the first damage."""
    rows: list[_Record] = []
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(file, _compression(file)).as_numpy_iterator()):
            features = tf.train.Example.FromString(record).features.feature
            if not {image_key, label_key} <= set(features):
                raise DataError(
                    f"Expected the features {image_key!r} and {label_key!r}. Received: {sorted(features)} in record "
                    f"{number} of {file!r}. Name them with image_key and label_key."
                )
            values = _values(features[label_key])
            if not values:
                raise DataError(f"Expected a number or a name in {label_key!r}. Received: record {number}.")
            (content,) = features[image_key].bytes_list.value
            texts = _values(features[name_key]) if name_key in features else []
            text = texts[0] if len(texts) == 1 and isinstance(texts[0], str) else None
            rows.append(_Record(f"{file}#{number}", content, values[0] if len(values) == 1 else values, text))
    except tf.errors.OpError as error:
        left_out.append(LeftOut(Path(file), f"is damaged after {len(rows)} records ({type(error).__name__})"))
    except (ValueError, DecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise DataError(
            f"Expected a tf.train.Example with one image and one label in each record. Received: {file!r} ({error})."
        ) from error
    return rows


def _compression(file: str) -> str:
    """Returns the compression with which the first record of a file can be read; "" for none of them."""
    for kind in ("", "GZIP", "ZLIB"):
        try:
            next(iter(tf.data.TFRecordDataset(file, kind).take(1)), None)
        except tf.errors.OpError:
            continue
        return kind
    return ""


def _values(feature: tf.train.Feature) -> list[Any]:
    names = [value.decode() for value in feature.bytes_list.value]
    return [*feature.int64_list.value, *feature.float_list.value, *names]


def _labels(rows: Sequence[_Record], class_names: Sequence[str] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns the labels of all records in the form of their task, and the names of the classes."""
    kinds = {type(row.label): row.label for row in reversed(rows)}  # the first label of each type
    if len(kinds) > 1:
        both = " and ".join(sorted(map(repr, kinds.values()), reverse=True)[:2])
        raise DataError(f"Expected labels that are numbers or names. Received both: {both}.")
    if class_names is not None and kinds.keys() <= {int, str}:
        check_classes(class_names)
    texts: dict[Any, set[str | None]] = {}
    if kinds.keys() == {int} and class_names is None:
        for row in rows:
            texts.setdefault(row.label, set()).add(row.text)
    if texts and all(len(found) == 1 and None not in found for found in texts.values()):
        class_names = [str(min(texts[number])) for number in sorted(texts)]  # type: ignore[type-var]
    if len({len(row.label) for row in rows if isinstance(row.label, list)}) > 1:
        raise DataError("Expected as many numbers in the label of each record. Received: lists of several lengths.")
    return as_labels(np.array([row.label for row in rows]), len(rows), class_names, None)
