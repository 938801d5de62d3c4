"""Deep CORAL: makes the covariances of the features of both domains alike."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("coral")
class CORAL(Alignment):
    """The squared Frobenius distance of the covariances C of d features in both domains, `|C_S - C_T|² / (4 d²)`.

    Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation" (2016), equations 1 to 3,
    https://arxiv.org/abs/1607.01719. Departure: the paper aligns the outputs of the last layer, this class its inputs.

    Example:
        >>> apart = Batch(tf.constant([[0.0, 0.0], [2.0, 0.0]]), tf.zeros((2, 2)))
        >>> still = Batch(tf.constant([[1.0, 1.0], [1.0, 1.0]]), tf.zeros((2, 2)))
        >>> float(CORAL().loss(apart, still, tf.constant(0.0)))  # covariances [[2, 0], [0, 0]] and 0
        0.25
    """

    smallest_batch = 2
    zero_on_equal = True

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the distance of the covariances."""
        difference = covariance(source.features) - covariance(target.features)
        channels = tf.cast(tf.shape(source.features)[1], tf.float32)
        return tf.reduce_sum(difference**2) / (4 * channels**2)


def covariance(features: tf.Tensor) -> tf.Tensor:
    """Returns the covariance `(channels, channels)` of features `(batch, channels)`, with `batch - 1` as divisor."""
    centred = features - tf.reduce_mean(features, axis=0)
    count = tf.cast(tf.shape(features)[0], tf.float32)
    return tf.matmul(centred, centred, transpose_a=True) / tf.maximum(count - 1, 1)
