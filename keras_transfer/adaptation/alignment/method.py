"""Alignment: the base class of the methods, which give a loss on one batch of the source and one of the target.

A method is an object with a `loss`, or a plain function `(source, target) -> loss`. It is given features and
probabilities, but no images and no labels of the target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry


@dataclass(frozen=True)
class Batch:
    """The outputs of a network for a batch of images of one domain.

    Attributes:
        features: float32 `(batch, channels)`, the inputs of the last layer with weights: the pooled vectors, or the
            last hidden vectors of a deeper head.
        probabilities: float32 `(batch, num_classes)`; each row sums to 1.
    """

    features: tf.Tensor
    probabilities: tf.Tensor

    @property
    def log_probabilities(self) -> tf.Tensor:
        """The logarithm of the probabilities, float32 `(batch, num_classes)`; it is finite even for 0."""
        return logarithm(self.probabilities)


class Alignment(ABC):
    """A method of adaptation. A method of your own is a subclass; a plain function becomes a `FromFunction`.

    Attributes:
        needs_source: whether training needs labelled images of a source.
        needs_target: whether training needs images of a target.
        smallest_batch: number of images of each domain below which the loss has no meaning.
        zero_on_equal: whether the loss of two equal batches is 0.
    """

    needs_source = True
    needs_target = True
    smallest_batch = 1
    zero_on_equal = False

    def start(self, channels: int, num_classes: int) -> None:  # noqa: B027  most methods learn nothing themselves
        """Makes new weights of the method itself; called before training.

        Args:
            channels: length of the feature vectors.
            num_classes: number of classes.
        """

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights of the method itself, such as those of a discriminator. They do not belong to the model."""
        return []

    @abstractmethod
    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the loss, a float32 scalar.

        Args:
            source: outputs for a batch of the source; without rows if there is no source.
            target: outputs for a batch of the target; without rows if there is no target.
            progress: float32 scalar in [0, 1), the share of the training that is done.
        """

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({values})"


Loss = Callable[[Batch, Batch], tf.Tensor]
ALIGNMENTS: Registry[type[Alignment]] = Registry(
    "alignment", lambda part: isinstance(part, type) and issubclass(part, Alignment), "a class of Alignment"
)


class FromFunction(Alignment):
    """A method made of a plain function.

    Args:
        function: takes a `Batch` of the source and a `Batch` of the target, and returns a float32 scalar.
    """

    def __init__(self, function: Loss):
        self.function = function

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the value of the function."""
        return self.function(source, target)


def find_method(method: str | Alignment | Loss) -> Alignment:
    """Returns the method of a name with its default settings, a `FromFunction` of a function, or the given method.

    Raises:
        InputError: if no method has the name, or the argument is none of these.
    """
    if isinstance(method, str):
        return ALIGNMENTS.find(method)()
    if isinstance(method, Alignment):
        return method
    if callable(method) and not isinstance(method, type):
        return FromFunction(method)
    raise InputError(
        "Expected `method` a name of kt.available('alignment'), an Alignment such as kt.alignment.MCC(), or a function "
        f"of two batches. Received: method={method!r}."
    )


def squared_distances(points: tf.Tensor) -> tf.Tensor:
    """Returns the squared Euclidean distances between all points `(count, channels)`, float32 `(count, count)`.

    They are computed as |a|² + |b|² - 2ab; the diagonal is exactly 0 and no value is negative.
    """
    squares = tf.reduce_sum(points**2, axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * tf.matmul(points, points, transpose_b=True)
    return tf.maximum(distances * (1 - tf.eye(tf.shape(points)[0])), 0.0)  # set_diag does not compile under XLA


def logarithm(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns the logarithm; probabilities below 1e-30 count as 1e-30, so that it is finite.

    The floor is so low that a class of probability 0 stays at almost 0 when a temperature softens the probabilities.
    """
    return tf.math.log(tf.maximum(probabilities, 1e-30))


def mean_entropy(probabilities: tf.Tensor, logarithms: tf.Tensor) -> tf.Tensor:
    """Returns the mean entropy of probabilities `(batch, num_classes)` with these logarithms, in nats."""
    return -tf.reduce_mean(tf.reduce_sum(probabilities * logarithms, axis=1))


def names_of(methods: Sequence[Alignment]) -> list[str]:
    """Returns the name of each method: its registered name, or the name of its class or function."""
    known = {ALIGNMENTS.find(name): name for name in ALIGNMENTS.names()}
    return [
        getattr(method.function, "__name__", "function")
        if isinstance(method, FromFunction)
        else known.get(type(method), type(method).__name__)
        for method in methods
    ]
