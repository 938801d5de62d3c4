"""load: an exported version as a Python object that predicts from files, bytes and arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import PATH, Flag, takes
from keras_transfer._checks import InputError
from keras_transfer._lengths import joined
from keras_transfer.serving.contents import read_content, shown
from keras_transfer.serving.description import read_description
from keras_transfer.serving.prediction import Prediction
from keras_transfer.serving.proof.hashes import check_hashes
from keras_transfer.serving.tagged import TaggedText
from keras_transfer.serving.versions import find_version

Images = Sequence[str | os.PathLike[str] | bytes]

_BATCH = 32


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
        self._module = module or _loaded(path)  # kept: without it signatures lose their variables
        self.kind = self.description.kind.served_by(self._decoded)

    def predict(self, images: Images | np.ndarray) -> list[Prediction]:
        """Predicts the classes of images, or of what else the version takes.

        Args:
            images: a list of file paths or of the bytes of files, also mixed; or an array, uint8 or float32
                `(batch, height, width, 3)` in [0, 255], of the model's image size; for a model of sounds float32
                `(batch, samples)` in [-1, 1].

        Returns:
            One prediction for each image, in the same order.

        Raises:
            InputError: if files cannot be read or decoded (the message names them), an array has another shape, or
                the version tags words; see `tag`.
        """
        if self.description.axes:
            raise InputError("Expected a version with one answer an example. Received: one that tags words; use `tag`.")
        return self.predictions(self.predict_probabilities(images))

    def tag(self, texts: Images) -> list[TaggedText]:
        """Tags the words of texts.

        Args:
            texts: a list of strings, paths (`pathlib.Path`) of files, or bytes in UTF-8.

        Returns:
            The words of each text with their tags, in the same order.

        Raises:
            InputError: if files cannot be read, or the version does not tag words.
        """
        if not self.description.axes:
            raise InputError(f"Expected a version that tags words. Received: one of {self.description.task.name}.")
        if isinstance(texts, np.ndarray) and texts.dtype.kind in "uif":
            raise InputError("Expected texts. Received: an array of tokens, which `predict_probabilities` takes.")
        words, outputs = self.outputs_of(texts, "serving_default", ["words", self.description.output], [])
        return [TaggedText.of(*row, self.class_names) for row in zip(words, outputs, strict=True)]

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

    def predict_probabilities(self, images: Images | np.ndarray) -> np.ndarray:
        """Returns the outputs for images as an array.

        Args:
            images: as in `predict`.

        Returns:
            float32 `(batch, num_classes)`, in the order of `class_names`: probabilities in [0, 1], or values for
            regression; `(batch, words, num_classes)` of a version that tags words, 0 where there is no word.

        Raises:
            InputError: as in `predict`.
        """
        output = self.description.output
        if self.task is None:
            return self.outputs_of(images, "serving_default", [output], [output])[0]
        return self.outputs_of(images, self.task, [output], [f"{self.task}_{output}"])[0]

    def outputs_of(
        self, images: Images | np.ndarray, signature: str, of_files: Sequence[str], of_arrays: Sequence[str]
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
            return self._answer(f"predict_{tensor}", of_arrays, **{tensor: given})
        return self._answer_files(signature, of_files, images)

    def features(self, images: Images) -> np.ndarray:
        """Returns the embedding of each image: the vector that is the input of the head.

        Args:
            images: a list of file paths or of the bytes of files.

        Returns:
            float32 `(batch, channels)`.

        Raises:
            InputError: if the model has no layer `features`, or a file cannot be read or decoded.
        """
        return self._answer_files("features", ["features"], images)[0]

    def heat_maps(self, images: Images, class_ids: Sequence[int] | None = None) -> np.ndarray:
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
        return self._answer_files("explain", ["heat_maps"], images, class_ids=wanted.astype(np.int64))[0]

    def _decoded(self, content: tf.Tensor) -> tf.Tensor:
        kind = self.description.kind
        return self._module.signatures[kind.decoder](**{kind.content: content})[kind.tensor]

    def _answer_files(
        self, signature: str, outputs: Sequence[str], images: Images | np.ndarray, **others: np.ndarray
    ) -> list[np.ndarray]:
        if signature not in self._module.signatures:
            raise InputError(
                f"Expected a version with the signature {signature!r}. Received: {str(self.path)!r} with "
                f"{sorted(self._module.signatures)}."
            )
        if isinstance(images, (str, bytes, os.PathLike)):
            one = self.kind.noun.removesuffix("s")
            raise InputError(f"Expected a list of {self.kind.noun}. Received: {shown(images)}; write [{one}].")
        encoded = [read_content(image, self.kind) for image in images]
        try:
            return self._answer(signature, outputs, **{self.kind.content: np.array(encoded, dtype=object)}, **others)
        except tf.errors.InvalidArgumentError as error:
            raise self._undecodable(images, encoded) from error

    def _answer(self, signature: str, outputs: Sequence[str], **inputs: np.ndarray) -> list[np.ndarray]:
        function = self._module.signatures[signature]
        (count,) = {len(values) for values in inputs.values()}
        batches = [slice(start, start + _BATCH) for start in range(0, count, _BATCH)]
        answers = [
            function(**{name: tf.constant(values[batch]) for name, values in inputs.items()}) for batch in batches
        ]
        specs = {name: function.structured_outputs[name] for name in outputs}
        empty = {
            name: np.zeros((0, *(side or 0 for side in spec.shape[1:])), spec.dtype.as_numpy_dtype)
            for name, spec in specs.items()
        }
        every = {name: [empty[name], *(answer[name].numpy() for answer in answers)] for name in outputs}
        return [joined(parts, b"" if parts[0].dtype == object else 0) for parts in every.values()]

    def _undecodable(self, images: Iterable[Any], encoded: Sequence[bytes]) -> InputError:
        function = self._module.signatures[self.kind.decoder]
        bad = []
        for image, content in zip(images, encoded, strict=True):
            try:
                function(**{self.kind.content: tf.constant([content])})
            except tf.errors.InvalidArgumentError:
                bad.append(shown(image))
        return InputError(f"Expected {self.kind.formats}. Received: {', '.join(bad)}, not decodable.")


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


def _loaded(path: Path) -> Any:
    try:
        return tf.saved_model.load(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a version written by keras_transfer.export in {str(path)!r}. {error}") from error
