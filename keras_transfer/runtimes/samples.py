"""Samples: the pictures that a file is measured on, and the other pictures that it is calibrated with."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import PATH, Kind
from keras_transfer._checks import InputError
from keras_transfer.data import PipelineData, from_directory
from keras_transfer.data.examples import Examples
from keras_transfer.data.kinds import Images
from keras_transfer.data.pipelines.reading import read_pixels
from keras_transfer.serving.description import Description
from keras_transfer.serving.specimens import specimens

MIN_CALIBRATION = 10
CALIBRATION = 200  # TensorFlow's guide to post-training quantization recommends 100 to 500

Data = PipelineData | str | os.PathLike[str]
DATA = PATH | Kind(PipelineData, "the data of a training") | None


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures, decoded and resized to the version's image size.

    Attributes:
        images: uint8 or float32 `(count, height, width, 3)` in [0, 255].
        names: name of each picture for messages.
        labels: as in `Examples`; None for generated pictures.
        calibration: float32 `(count, height, width, 3)` in [0, 255], other pictures for calibration; None if no format
            needs them.
    """

    images: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray | None
    calibration: np.ndarray | None


def read_samples(data: Data | None, description: Description, limit: int, *, calibrate: bool) -> Samples:
    """Reads pictures to measure on and, if needed, training images for calibration, with the version's decoding.

    The pictures to measure on are the test images; without these the validation images; without either the training
    images.

    Args:
        data: images, or a folder of class folders; None for a few generated pictures.
        description: description of the version.
        limit: the largest number of pictures to measure on. If there are more, evenly spaced ones are used.
        calibrate: whether a format needs pictures for calibration.

    Raises:
        InputError: if the classes of `data` differ from those of the version, pictures for calibration are missing, or
            a picture cannot be read.
    """
    if data is None:
        if calibrate:
            raise InputError(
                f"Expected `data` with at least {MIN_CALIBRATION} training pictures, to calibrate an int8 file. "
                "Received: none. Use pictures like those that the file will be used on."
            )
        drawn = np.array(specimens(description.kind), dtype=object)
        examples = Examples(drawn, np.zeros(len(drawn), np.int64), encoded=True)
        names = tuple(f"drawn {_one(description)} {index + 1}" for index in range(len(drawn)))
        return Samples(_pixels(examples, description), names, None, None)
    if not isinstance(data, PipelineData):
        data = from_directory(
            data,
            image_size=description.images.image_size,
            resize=description.images.resize,
            pixel_range=description.images.pixel_range,
        )
    if tuple(data.class_names) != description.class_names:
        raise InputError(
            f"Expected the version's classes {list(description.class_names)}. Received: {list(data.class_names)}."
        )
    measured = data.splits.get("test") or data.splits.get("validation") or data.splits["train"]
    calibration = _calibration(data, description, measured) if calibrate else None
    chosen = _spread(measured, limit)
    numbered = (f"{_one(description)} {index}" for index in range(len(chosen)))
    names = tuple(map(str, chosen.items) if chosen.in_files else numbered)
    return Samples(_pixels(chosen, description), names, chosen.labels, calibration)


def _one(description: Description) -> str:
    """Returns what an example is called: a picture, a sound or a text."""
    return "picture" if isinstance(description.kind, Images) else description.kind.name


def _calibration(data: PipelineData, description: Description, measured: Examples) -> np.ndarray:
    train = data.splits["train"]
    if measured is train:
        raise InputError(
            "Expected data with validation or test images: an int8 file must be measured on other pictures than it was "
            "calibrated with. Received: training images only."
        )
    if len(train) < MIN_CALIBRATION:
        raise InputError(
            f"Expected at least {MIN_CALIBRATION} training pictures to calibrate an int8 file with, better "
            f"{CALIBRATION}. Received: {len(train)}."
        )
    return _pixels(_spread(train, CALIBRATION), description).astype(np.float32)


def _spread(examples: Examples, count: int) -> Examples:
    return examples.take(np.unique(np.linspace(0, len(examples) - 1, count).astype(int)))


def _pixels(examples: Examples, description: Description) -> np.ndarray:
    """Reads images with the training pipeline. The export has verified that serving decodes them to the same pixels."""
    try:
        return read_pixels(examples, description.kind)
    except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError) as error:
        raise InputError(f"Expected pictures that can be read. {error.message}") from error
