"""Kind: what a network takes, and how it is made of one raw example."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

import keras
import tensorflow as tf


class Kind(ABC):
    """A kind of data, with the settings that its tensors depend on. Its functions are made of TensorFlow operations.

    Attributes:
        name: of the kind, as descriptions of exports have it.
        noun: what examples are called, of more than one.
        one: what a single one is called, with its article.
        tensor: name of the model's input.
        content: name of the input of an export that takes the bytes of files; it ends in `_bytes`, so that TF Serving's
            REST API takes base64.
        decoder: name of the signature of an export that returns what the network gets.
        files: what files of it are called, of more than one.
        maker: what makes such files.
        range_said: in which range numbers lie, in words.
        dtype: of what the network takes.
        other_formats: how files of other formats are sent to an export, for a person who writes a client.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    one: ClassVar[str]
    tensor: ClassVar[str]
    content: ClassVar[str]
    decoder: ClassVar[str]
    files: ClassVar[str]
    maker: ClassVar[str]
    range_said: ClassVar[str]
    dtype: ClassVar[tf.DType] = tf.float32
    other_formats: ClassVar[str]

    @property
    @abstractmethod
    def spec(self) -> tf.TensorSpec:
        """Shape and dtype of one example."""

    def reader(self, paths: Iterable[Any]) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns a function that makes an example of any of these files, of its path, a scalar string."""
        return lambda path: self.decode(tf.io.read_file(path))

    @abstractmethod
    def decode(self, raw: tf.Tensor) -> tf.Tensor:
        """Makes an example of the content of a file, a scalar string.

        Raises:
            tf.errors.InvalidArgumentError: if the content cannot be decoded.
        """

    def decode_batch(self, raw: tf.Tensor) -> tf.Tensor:
        """Makes examples of the contents of files, strings `(batch,)`, as `decode` does of one."""
        return tf.map_fn(self.decode, raw, fn_output_signature=self.spec)

    @property
    def batch_spec(self) -> tf.TensorSpec:
        """Shape, dtype and name of a batch that the network takes."""
        return tf.TensorSpec((None, *self.spec.shape), self.dtype, name=self.tensor)

    def trimmed(self, batch: tf.Tensor) -> tf.Tensor:
        """Returns a batch without what no example of it needs. A network answers as it does to the whole batch."""
        return batch

    def labels_of(self, labels: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Returns the labels of a batch that was trimmed, `(batch, ...)`."""
        return labels

    def placed(self, outputs: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
        """Returns the outputs for a batch, trimmed or not, as they belong to the batch that was given."""
        return outputs

    def by_part(self, outputs: tf.Tensor, raw: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns the outputs of the parts of contents that are answered one by one, and these parts by name.

        Args:
            outputs: for a batch.
            raw: the contents that it was made of, strings `(batch,)`.
        """
        return outputs, {}

    @abstractmethod
    def fit(self, example: tf.Tensor) -> tf.Tensor:
        """Brings an example that is in memory to the form of `spec`."""

    @abstractmethod
    def content_of(self, example: str | os.PathLike[str] | bytes) -> bytes:
        """Returns the bytes of a file, of its path or of bytes in any format, in a format that `decode` takes.

        Raises:
            OSError: if the file cannot be read.
            FormatError: if it cannot be decoded.
        """

    @property
    @abstractmethod
    def formats(self) -> str:
        """The formats that `decode` takes, in words."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Returns what the description of an export says of the kind, as values for JSON; see `kind_described`."""

    @property
    @abstractmethod
    def form(self) -> str:
        """The form in which a network takes it, in words."""

    @property
    @abstractmethod
    def limits(self) -> list[str]:
        """Sentences on what cannot be seen, or heard, in this form."""

    @abstractmethod
    def check_model(self, model: keras.Model) -> None:
        """Checks that a model takes examples of this form.

        Raises:
            InputError: if it does not.
        """

    @property
    def resources(self) -> Any:
        """What holds tables that `decode` looks up, for an export; None where there are none."""
        return None

    def write_beside(self, folder: Path) -> None:
        """Writes into the folder of an export what runtimes need that take what the network takes."""
        return

    def prepare_runtime(self) -> None:
        """Loads what TensorFlow needs to load an export, besides itself.

        Raises:
            InputError: if it is not installed.
        """
        return

    def served_by(self, decode: Callable[[tf.Tensor], tf.Tensor]) -> Kind:
        """Returns the kind of an export that was loaded, whose own graph decodes contents, strings `(batch,)`."""
        return self

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Returns the settings by name, with the functions they stand for, for the identity of a run or a cache."""
