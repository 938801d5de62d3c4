"""load: an exported version as a Python object that predicts from files, bytes and arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import PATH, Flag, takes
from keras_transfer._checks import InputError
from keras_transfer.serving.description import read_description
from keras_transfer.serving.prediction import Prediction
from keras_transfer.serving.proof.hashes import check_hashes
from keras_transfer.serving.segmented import SegmentedImage
from keras_transfer.serving.signed import Examples, Signed, loaded
from keras_transfer.serving.tagged import TaggedText
from keras_transfer.serving.versions import find_version


class ServedModel:
    """An exported version, loaded with TensorFlow alone. Made by `load`.

    Attributes:
        path: folder of the version.
        class_names: name of each output.
        kind: what the network takes, such as images of a size.
        description: what `export` wrote about the version.
        task: name of the task, of a version that has several; None for one.
    """

    def __init__(self, path: Path, task: str | None = None, module: Any = None):
        self.path, self.task = path, task
        self.description = read_description(path, task)
        self.class_names = self.description.class_names
        self.description.kind.prepare_runtime()
        self._module = module or loaded(path)
        self.kind = self.description.kind.served_by(self._decoded)
        self._signed = Signed(path, self._module, self.kind)

    def predict(self, images: Examples | np.ndarray) -> list[Prediction]:
        """Predicts the classes of images, or of what else the version takes.

        Args:
            images: a list of file paths or of the bytes of files, also mixed; or an array, uint8 or float32
                `(batch, height, width, 3)` in [0, 255], of the model's image size; for a model of sounds float32
                `(batch, samples)` in [-1, 1].

        Returns:
            One prediction for each image, in the same order.

        Raises:
            InputError: if files cannot be read or decoded (the message names them), an array has another shape, or
                the version tags words or pixels; see `tag` and `segment`.
        """
        if self.description.axes:
            use = "tags words; use `tag`" if self.description.axes == 1 else "gives each pixel a class; use `segment`"
            raise InputError(f"Expected a version with one answer an example. Received: one that {use}.")
        return self.predictions(self.predict_probabilities(images))

    def tag(self, texts: Examples) -> list[TaggedText]:
        """Tags the words of texts.

        Args:
            texts: a list of strings, paths (`pathlib.Path`) of files, or bytes in UTF-8.

        Returns:
            The words of each text with their tags, in the same order.

        Raises:
            InputError: if files cannot be read, or the version does not tag words.
        """
        if self.description.axes != 1:
            raise InputError(f"Expected a version that tags words. Received: one of {self.description.task.name}.")
        if isinstance(texts, np.ndarray) and texts.dtype.kind in "uif":
            raise InputError("Expected texts. Received: an array of tokens, which `predict_probabilities` takes.")
        words, outputs = self.outputs_of(texts, "serving_default", ["words", self.description.output], [])
        return [TaggedText.of(*row, self.class_names) for row in zip(words, outputs, strict=True)]

    def segment(self, images: Examples) -> list[SegmentedImage]:
        """Gives each pixel of images a class.

        Args:
            images: a list of file paths or of the bytes of files, also mixed.

        Returns:
            A mask for each image, of its own size, in the same order.

        Raises:
            InputError: if files cannot be read or decoded, or the version has no answer for each pixel.
        """
        if self.description.axes != 2:
            raise InputError(
                f"Expected a version that gives each pixel a class. Received: one of {self.description.task.name}."
            )
        if isinstance(images, np.ndarray) and images.dtype.kind in "uif":
            raise InputError("Expected files of images. Received: an array, which `predict_probabilities` takes.")
        (masks,) = self.outputs_of(images, "serving_default", ["mask_bytes"], [])
        return [SegmentedImage.of(mask, self.class_names) for mask in masks]

    def predictions(self, outputs: np.ndarray) -> list[Prediction]:
        """Returns the predictions that outputs stand for, float32 `(batch, num_classes)`."""
        return [Prediction.of(row, self.description) for row in outputs]

    def for_task(self, task: str) -> ServedModel:
        """Returns another task of the same version."""
        return ServedModel(self.path, task, self._module)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels.

        Raises:
            InputError: if the version takes something other than images.
        """
        return self.description.images.image_size

    @property
    def function(self) -> Any:
        """Concrete function from what the network takes, such as images, to a list of the outputs."""
        tensor = self.kind.tensor
        signature, output = self._module.signatures[f"predict_{tensor}"], self.description.output
        output = output if self.task is None else f"{self.task}_{output}"
        answer = tf.function(lambda batch: [signature(**{tensor: batch})[output]])
        return answer.get_concrete_function(self.kind.batch_spec)

    def predict_probabilities(self, images: Examples | np.ndarray) -> np.ndarray:
        """Returns the outputs for images as an array.

        Args:
            images: as in `predict`.

        Returns:
            float32 `(batch, num_classes)`, in the order of `class_names`: probabilities in [0, 1], or values for
            regression; `(batch, words, num_classes)` of a version that tags words, 0 where there is no word; and
            `(batch, height, width, num_classes)` of one that gives each pixel a class, of the size the network sees.

        Raises:
            InputError: as in `predict`.
        """
        output = self.description.output
        if self.task is None:
            signature = output if self.description.task.apart else "serving_default"
            return self.outputs_of(images, signature, [output], [output])[0]
        return self.outputs_of(images, self.task, [output], [f"{self.task}_{output}"])[0]

    def outputs_of(
        self, images: Examples | np.ndarray, signature: str, of_files: Sequence[str], of_arrays: Sequence[str]
    ) -> list[np.ndarray]:
        """Returns several outputs for images.

        Args:
            images: as in `predict`.
            signature: for files; that for arrays is `predict_images`.
            of_files: names of the outputs of this signature.
            of_arrays: names of the same outputs for arrays.

        Raises:
            InputError: as in `predict`.
        """
        if isinstance(images, np.ndarray) and images.dtype.kind in "uif":
            tensor, form = self.kind.tensor, self.kind.batch_spec.shape[1:]
            if not form.is_compatible_with(images.shape[1:]):
                sizes = ", ".join(str(size or "any") for size in form)
                raise InputError(
                    f"Expected {tensor} (batch, {sizes}){self.kind.range_said}. Received: shape {images.shape}."
                )
            given = images.astype(self.kind.dtype.as_numpy_dtype)
            return self._signed.of_arrays(f"predict_{tensor}", of_arrays, **{tensor: given})
        return self._signed.of_files(signature, of_files, images)

    def features(self, images: Examples) -> np.ndarray:
        """Returns the embedding of each image: the vector that is the input of the head.

        Args:
            images: a list of file paths or of the bytes of files.

        Returns:
            float32 `(batch, channels)`.

        Raises:
            InputError: if the model has no layer `features`, or a file cannot be read or decoded.
        """
        return self._signed.of_files("features", ["features"], images)[0]

    def heat_maps(self, images: Examples, class_ids: Sequence[int] | None = None) -> np.ndarray:
        """Returns a heat map for each image: how much each region contributes to the output of a class.

        See `kt.grad_cam` for the method.

        Args:
            images: a list of file paths or of the bytes of files.
            class_ids: number of the class to explain for each image, `(batch,)`; by default, or where it is -1, the
                class with the highest output.

        Returns:
            float32 `(batch, height, width)` in [0, 1].

        Raises:
            InputError: if the model has no feature map, a class is unknown, or a file cannot be read or decoded.
        """
        wanted = np.full(len(images), -1) if class_ids is None else np.asarray(class_ids)
        if wanted.shape != (len(images),) or not ((wanted >= -1) & (wanted < len(self.class_names))).all():
            last = len(self.class_names) - 1
            raise InputError(f"Expected a class from 0 to {last} for each image. Received: class_ids={class_ids!r}.")
        return self._signed.of_files("explain", ["heat_maps"], images, class_ids=wanted.astype(np.int64))[0]

    def _decoded(self, content: tf.Tensor) -> tf.Tensor:
        kind = self.description.kind
        return self._module.signatures[kind.decoder](**{kind.content: content})[kind.tensor]


@takes(path=PATH, check=Flag() | PATH)
def load(path: str | os.PathLike[str], *, check: bool | str | os.PathLike[str] = False) -> ServedModel:
    """Loads an exported version.

    Args:
        path: folder of a version, or a folder of versions, from which the newest is loaded.
        check: True to compare all files with the hashes that the export wrote. The PEM file of a public key, to check
            the signature of the hashes as well (see `sign`). False to check nothing.

    Raises:
        InputError: if there is no version at `path`, or the key cannot be used.
        VerificationError: if a file was changed since the export, or the version is not signed with the key.
    """
    folder = find_version(path)
    if check is not False:
        check_hashes(folder, None if check is True else check)
    return ServedModel(folder)
