"""Data from TensorFlow Datasets."""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, DownloadError, InputError, unknown
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import check_encoded
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.assembling import Assembly
from keras_transfer.data.sources.text_tfds import texts_of_builder
from keras_transfer.data.sources.texts import TextForm
from keras_transfer.data.text.tokenizing import find_tokenizer
from keras_transfer.data.text_data import TextData


def from_tfds(
    name: str | Any,
    *,
    image_size: int | tuple[int, int] = 224,
    resize: str = "crop",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    pixel_range: tuple[float, float] | None = None,
    seed: int = 0,
    tokenizer: Any = None,
    length: int | None = None,
) -> ImageData | TextData:
    """Reads a dataset of TensorFlow Datasets with the features "image" and "label"; or with a text, for a `tokenizer`.

    The encoded images, or the texts, of all splits are held in memory. The splits "validation" and "test" are used if
    they exist. Without "validation", a share of each class is held out for validation.

    Args:
        name: name of a dataset, which is downloaded if needed, or a builder whose data are prepared.
        image_size: height and width in pixels, or one number for both.
        resize: how images are resized: "crop", "pad" or "stretch"; see `from_directory`.
        augment: augmentation of training images: name, function, Keras layer, or a list of these (see `kt.augment`).
        batch_size: number of images in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1).
        pixel_range: the values that become black and white where a file has more than 8 bits a channel; by default
            those of the fewest bits that hold the values of all training images, such as (0, 4095).
        seed: seed of the split, the order and the augmentation.
        tokenizer: that of the network, for a dataset of texts: their feature is "text", "sentence", or the first that
            holds texts; see `from_texts`. `image_size`, `resize` and `pixel_range` are not used then.
        length: tokens of a text at most; by default those of the longest, but at most 256.

    Raises:
        InputError: if an argument is unknown or out of range.
        DataError: if the dataset has other features.
        DownloadError: if the dataset cannot be downloaded, or the download is damaged.
    """
    if tokenizer is not None:
        form = TextForm(find_tokenizer(tokenizer), length, augment, batch_size, validation_split, seed)
        return texts_of_builder(_prepared(name) if isinstance(name, str) else name, form)
    assembly = Assembly(image_size, resize, augment, batch_size, validation_split, seed, pixel_range)
    builder: Any = _prepared(name) if isinstance(name, str) else name
    features = builder.info.features
    if not {"image", "label"} <= set(features or ()):
        raise DataError(f"Expected a dataset with 'image' and 'label'. Received: {name!r} with {features}.")
    splits, count = {}, 0
    left_out: list[LeftOut] = []
    for split in ("train", "validation", "test"):
        if split in builder.info.splits:
            examples = _examples(builder, split)
            names = [f"{builder.name}/{split}#{number}" for number in range(len(examples))]
            bad = dict(check_encoded(list(examples.items), names, assembly.side))
            splits[split] = examples.take(np.array([index for index in range(len(examples)) if index not in bad], int))
            left_out += bad.values()
            count += len(examples)
    note_left_out(left_out, count, None)
    if "train" not in splits:
        raise DataError(
            f"Expected a dataset with a split 'train'. Received: {name!r} with {list(builder.info.splits)}."
        )
    return assembly.data(splits, features["label"].names, left_out)


def _examples(builder: Any, split: str) -> Examples:
    import tensorflow_datasets

    skip = {"image": tensorflow_datasets.decode.SkipDecoding()}
    pairs = [
        (row["image"], int(row["label"]))
        for row in builder.as_dataset(split=split, decoders=skip, shuffle_files=False).as_numpy_iterator()
    ]
    encoded = np.array([image for image, _ in pairs], dtype=object)
    return Examples(encoded, np.array([label for _, label in pairs], np.int64), encoded=True)


def _prepared(name: str) -> Any:
    """Returns the builder of a dataset by name, downloaded and prepared."""
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    try:
        builder = _builder(name)
        builder.download_and_prepare()
    except NonMatchingChecksumError as error:
        raise DownloadError(
            f"The files of the dataset {name!r} are not those that TensorFlow Datasets expects. {_first_line(error)} "
            "Delete the downloaded file and try again. If it changed at its source, update tensorflow-datasets."
        ) from error
    except (OSError, HTTPException, tfds.core.download.DownloadError) as error:
        raise DownloadError(
            f"The dataset {name!r} of TensorFlow Datasets is not on this machine and cannot be downloaded "
            f"({type(error).__name__}: {_first_line(error)}). Use kt.data.from_directory with photographs of your own."
        ) from error
    return builder


def _builder(name: str) -> Any:
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        raise unknown("dataset", name, tfds.list_builders(with_community_datasets=False)) from error
    except (ValueError, AssertionError) as error:  # another version, another config
        raise InputError(
            f"Expected a dataset of TensorFlow Datasets. Received: {name!r}. {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
