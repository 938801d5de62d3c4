"""Signatures of a loaded version, asked batch by batch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._lengths import joined
from keras_transfer.data.kinds import Kind
from keras_transfer.serving.contents import read_content, shown

Examples = Sequence[str | os.PathLike[str] | bytes]

_BATCH = 32


@dataclass(frozen=True)
class Signed:
    """A version that TensorFlow has loaded.

    Attributes:
        path: folder of the version.
        module: what TensorFlow made of it. Signatures lose their variables without it.
        kind: what the version takes.
    """

    path: Path
    module: Any
    kind: Kind

    def of_files(
        self, signature: str, outputs: Sequence[str], images: Examples | np.ndarray, **others: np.ndarray
    ) -> list[np.ndarray]:
        """Returns outputs of a signature for files.

        Args:
            signature: name.
            outputs: their names.
            images: paths of files, or the bytes of files.
            others: further arguments, one for each file.

        Raises:
            InputError: if there is no such signature, or a file cannot be read or decoded.
        """
        if signature not in self.module.signatures:
            raise InputError(
                f"Expected a version with the signature {signature!r}. Received: {str(self.path)!r} with "
                f"{sorted(self.module.signatures)}."
            )
        if isinstance(images, (str, bytes, os.PathLike)):
            one = self.kind.noun.removesuffix("s")
            raise InputError(f"Expected a list of {self.kind.noun}. Received: {shown(images)}; write [{one}].")
        encoded = [read_content(image, self.kind) for image in images]
        try:
            return self.of_arrays(signature, outputs, **{self.kind.content: np.array(encoded, dtype=object)}, **others)
        except tf.errors.InvalidArgumentError as error:
            raise self._undecodable(images, encoded) from error

    def of_arrays(self, signature: str, outputs: Sequence[str], **inputs: np.ndarray) -> list[np.ndarray]:
        """Returns outputs of a signature for arrays by the names of its arguments, in batches."""
        function = self.module.signatures[signature]
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
        function = self.module.signatures[self.kind.decoder]
        bad = []
        for image, content in zip(images, encoded, strict=True):
            try:
                function(**{self.kind.content: tf.constant([content])})
            except tf.errors.InvalidArgumentError:
                bad.append(shown(image))
        return InputError(f"Expected {self.kind.formats}. Received: {', '.join(bad)}, not decodable.")


def loaded(path: Path) -> Any:
    """Loads a SavedModel.

    Raises:
        InputError: if there is none.
    """
    try:
        return tf.saved_model.load(str(path))
    except (OSError, ValueError) as error:
        raise InputError(f"Expected a version written by keras_transfer.export in {str(path)!r}. {error}") from error
