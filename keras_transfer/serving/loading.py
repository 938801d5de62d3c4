"""load: an exported version as a Python object that answers for files, bytes and arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.serving.exporting import DESCRIPTION, versions

_BATCH = 32


@dataclass(frozen=True)
class Prediction:
    """What a served model says of one image.

    Attributes:
        class_name: the most probable class.
        probability: its probability in [0, 1] (its score, for a model without probabilities).
        probabilities: the same of every class, by name.
    """

    class_name: str
    probability: float
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return f"{self.class_name} {self.probability:.3f}"


class ServedModel:
    """An exported version, loaded by TensorFlow alone. Made by `load`."""

    def __init__(self, path: Path):
        self.path = path
        try:
            description = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
            self._module = tf.saved_model.load(str(path))  # its signatures lose their variables without it
        except (OSError, ValueError) as error:
            raise InputError(
                f"Expected a version written by keras_transfer.export in {str(path)!r}. {error}"
            ) from error
        self.class_names = tuple(description["class_names"])
        self.image_size = tuple(description["image_size"])

    def predict(self, images: Sequence[str | os.PathLike[str] | bytes] | np.ndarray) -> list[Prediction]:
        """Answers for image files, for their bytes, or for arrays.

        Args:
            images: paths of files or the bytes of files, also mixed; or an array `(batch, height, width, 3)` of the
                model's size in [0, 255].

        Raises:
            InputError: if a file cannot be read or decoded, by its name, or an array has another shape.
        """
        probabilities = self.predict_probabilities(images)
        return [
            Prediction(
                self.class_names[int(row.argmax())],
                float(row.max()),
                dict(zip(self.class_names, map(float, row), strict=True)),
            )
            for row in probabilities
        ]

    def predict_probabilities(self, images: Sequence[str | os.PathLike[str] | bytes] | np.ndarray) -> np.ndarray:
        """Answers like `predict`, with float32 `(batch, num_classes)` in the order of `class_names`."""
        if isinstance(images, (str, bytes, os.PathLike)):
            raise InputError(f"Expected a list of images. Received: {_short(images)}; write [image].")
        if isinstance(images, np.ndarray) and images.dtype.kind in "uif":
            if images.ndim != 4 or images.shape[1:] != (*self.image_size, 3):
                raise InputError(
                    f"Expected images (batch, {self.image_size[0]}, {self.image_size[1]}, 3) in [0, 255]. "
                    f"Received: shape {images.shape}."
                )
            return self._answer("predict_images", "images", images.astype(np.float32))
        encoded = [_read(image) for image in images]
        try:
            return self._answer("serving_default", "image_bytes", np.array(encoded, dtype=object))
        except tf.errors.InvalidArgumentError as error:
            raise self._undecodable(images, encoded) from error

    def _answer(self, signature: str, argument: str, values: np.ndarray) -> np.ndarray:
        function = self._module.signatures[signature]
        batches = [values[start : start + _BATCH] for start in range(0, len(values), _BATCH)]
        answers: list[Any] = [function(**{argument: tf.constant(batch)})["probabilities"].numpy() for batch in batches]
        return np.concatenate([np.zeros((0, len(self.class_names)), np.float32), *answers])

    def _undecodable(self, images: Iterable[Any], encoded: Sequence[bytes]) -> InputError:
        function = self._module.signatures["serving_default"]
        bad = []
        for image, content in zip(images, encoded, strict=True):
            try:
                function(image_bytes=tf.constant([content]))
            except tf.errors.InvalidArgumentError:
                bad.append(_short(image))
        return InputError(f"Expected JPEG, PNG, GIF, BMP or WebP images. Received: {', '.join(bad)}, not decodable.")


def load(path: str | os.PathLike[str]) -> ServedModel:
    """Loads an exported version, or the newest one of a folder of versions.

    Raises:
        InputError: if there is none.
    """
    folder = Path(path).expanduser()
    if folder.is_dir() and not (folder / DESCRIPTION).is_file():
        numbers = versions(folder)
        if numbers:
            folder = folder / str(numbers[-1])
    if not (folder / DESCRIPTION).is_file():
        raise InputError(
            f"Expected a folder written by keras_transfer.export: a version or a folder of versions. "
            f"Received: {str(path)!r}."
        )
    return ServedModel(folder)


def _read(image: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(image, bytes):
        return image
    if not isinstance(image, (str, os.PathLike)):
        raise InputError(
            f"Expected paths of image files or their bytes, or one array for all. Received: {type(image).__name__}."
        )
    try:
        return Path(image).expanduser().read_bytes()
    except OSError as error:
        raise InputError(
            f"Expected a readable image file. Received: {os.fspath(image)!r} ({error.strerror})."
        ) from error


def _short(image: Any) -> str:
    return f"{len(image)} bytes" if isinstance(image, bytes) else repr(os.fspath(image))
