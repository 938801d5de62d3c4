"""Kind: what a network takes, and how it is made of one raw example."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf


class Kind(ABC):
    """A kind of data, with the settings that its tensors depend on. Its functions are made of TensorFlow operations."""

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

    @abstractmethod
    def fit(self, example: tf.Tensor) -> tf.Tensor:
        """Brings an example that is in memory to the form of `spec`."""

    @abstractmethod
    def check_model(self, model: keras.Model) -> None:
        """Checks that a model takes examples of this form.

        Raises:
            InputError: if it does not.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Returns the settings by name, with the functions they stand for, for the identity of a run or a cache."""
