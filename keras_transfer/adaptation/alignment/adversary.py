"""The adversary of DANN and CDAN: a network that tells the domains apart, and the reversal of its gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers


def reverse_gradient(inputs: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Returns its input unchanged; in the backward pass multiplies the gradient by `-factor`.

    Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation" (2015), section 3.2 (the gradient reversal
    layer), https://arxiv.org/abs/1409.7495.

    Example:
        >>> at = tf.constant(3.0)
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(at)
        ...     value = reverse_gradient(at**2, tf.constant(0.5))
        >>> float(value), float(tape.gradient(value, at))
        (9.0, -3.0)
    """

    @tf.custom_gradient
    def reverse(inputs: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return tf.identity(inputs), lambda upstream: -factor * upstream

    return reverse(inputs)


def ramp(progress: tf.Tensor, steepness: float = 10.0) -> tf.Tensor:
    """Returns `2 / (1 + exp(-steepness progress)) - 1`, which rises from 0 to 1.

    It keeps the adversary from disturbing the network before it has learnt anything.

    Ganin and others, "Domain-Adversarial Training of Neural Networks" (2016), section 5.2.2,
    https://arxiv.org/abs/1505.07818.

    Example:
        >>> [round(float(ramp(tf.constant(value))), 3) for value in (0.0, 0.1, 1.0)]
        [0.0, 0.462, 1.0]
    """
    return 2 / (1 + tf.exp(-steepness * progress)) - 1


class Discriminator:
    """A network that tells from which domain a vector is. Each training makes a new one.

    Args:
        channels: length of the vectors.
        units: width of each hidden layer.
        seed: seed of the initial weights.
    """

    def __init__(self, channels: int, units: Sequence[int], seed: int):
        self._layers = keras.Sequential([keras.Input((channels,), dtype="float32")])
        for index, (width, activation) in enumerate([*((width, "relu") for width in units), (1, None)]):
            initializer = keras.initializers.GlorotUniform(seed + index)
            self._layers.add(layers.Dense(width, activation, kernel_initializer=initializer, dtype="float32"))

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights of the network."""
        return self._layers.trainable_variables

    def loss(self, vectors: tf.Tensor, count: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
        """Returns the binary cross-entropy, averaged over each domain and then over the two domains.

        Args:
            vectors: float32 `(batch, channels)`, those of the source first.
            count: number of vectors of the source.
            weights: float32 `(batch,)`, the weight of each vector in the mean of its domain; all 1 by default.
        """
        logits = self._layers(vectors)[:, 0]
        is_source = tf.cast(tf.range(tf.shape(logits)[0]) < count, tf.float32)
        errors = tf.nn.sigmoid_cross_entropy_with_logits(is_source, logits)
        weights = tf.ones_like(errors) if weights is None else weights
        means = [
            tf.math.divide_no_nan(tf.reduce_sum(errors * weights * domain), tf.reduce_sum(weights * domain))
            for domain in (is_source, 1 - is_source)
        ]
        return (means[0] + means[1]) / 2
