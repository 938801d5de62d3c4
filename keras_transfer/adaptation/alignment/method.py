"""Alignment: a loss on two batches of features, source and target, that a network learns to keep low.

A method is an object with a `loss`, or a plain function `(source, target) -> loss`. It sees features and probabilities,
never images, labels of the target, or the training around it.
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
    """What a network makes of a batch of images of one domain.

    Attributes:
        features: float32 `(batch, channels)`, what enters the last layer with weights: the pooled vector, or the last
            hidden one of a deeper head.
        probabilities: float32 `(batch, num_classes)` that sum to 1.
    """

    features: tf.Tensor
    probabilities: tf.Tensor

    @property
    def log_probabilities(self) -> tf.Tensor:
        """Logarithm of the probabilities, finite also where they are 0."""
        return logarithm(self.probabilities)


class Alignment(ABC):
    """A method. Those of this package and your own are subclasses; a plain function becomes a `FromFunction`.

    Attributes:
        needs_source: labelled images of the source are part of the training.
        needs_target: images of the target are part of the training.
        smallest_batch: images of each domain without which the loss means nothing.
        zero_on_equal: the loss of two equal batches is 0.
    """

    needs_source = True
    needs_target = True
    smallest_batch = 1
    zero_on_equal = False

    def start(self, channels: int, num_classes: int) -> None:  # noqa: B027  most methods learn nothing themselves
        """Makes anew what the method learns itself, before training begins.

        Args:
            channels: length of the features.
            num_classes: number of probabilities.
        """

    @property
    def variables(self) -> list[keras.Variable]:
        """What the method learns itself, such as a discriminator; dropped after training."""
        return []

    @abstractmethod
    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns a scalar float32 that training keeps low.

        Args:
            source: of the source; empty where there is none.
            target: of the target; empty where there is none.
            progress: float32 scalar in [0, 1): how far training has come.
        """

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({values})"


Loss = Callable[[Batch, Batch], tf.Tensor]
ALIGNMENTS: Registry[type[Alignment]] = Registry(
    "alignment", lambda part: isinstance(part, type) and issubclass(part, Alignment), "a class of Alignment"
)


class FromFunction(Alignment):
    """A method that is a plain function of two batches.

    Args:
        function: from `Batch` of the source and of the target to a scalar float32.
    """

    def __init__(self, function: Loss):
        self.function = function

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns what the function gives."""
        return self.function(source, target)


def find_method(method: str | Alignment | Loss) -> Alignment:
    """Returns the method of that name with its default values, or the method that was given.

    Raises:
        InputError: if no method has the name, or it is something else.
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
    """Returns the squared Euclidean distance of each point to each: `(count, channels)` to `(count, count)`.

    By differences along the lines of |a|² + |b|² - 2ab, with 0 exactly on the diagonal and nowhere below it.
    """
    squares = tf.reduce_sum(points**2, axis=1)
    distances = squares[:, None] + squares[None, :] - 2 * tf.matmul(points, points, transpose_b=True)
    return tf.maximum(distances * (1 - tf.eye(tf.shape(points)[0])), 0.0)  # set_diag does not compile under XLA


def logarithm(probabilities: tf.Tensor) -> tf.Tensor:
    """Returns the logarithm, finite also of 0; the floor is so low that no temperature raises it to where it counts."""
    return tf.math.log(tf.maximum(probabilities, 1e-30))


def mean_entropy(probabilities: tf.Tensor, logarithms: tf.Tensor) -> tf.Tensor:
    """Returns the mean entropy of rows of probabilities, in nats."""
    return -tf.reduce_mean(tf.reduce_sum(probabilities * logarithms, axis=1))


def names_of(methods: Sequence[Alignment]) -> list[str]:
    """Returns the name of each method as a reader knows it: that of the registry, or of its class or function."""
    known = {ALIGNMENTS.find(name): name for name in ALIGNMENTS.names()}
    return [
        getattr(method.function, "__name__", "function")
        if isinstance(method, FromFunction)
        else known.get(type(method), type(method).__name__)
        for method in methods
    ]
