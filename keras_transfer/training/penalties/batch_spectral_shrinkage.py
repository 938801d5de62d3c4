"""Batch spectral shrinkage: presses down the directions of the features that carry the least."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._arguments import Number, Whole
from keras_transfer.training.penalties.penalty import PENALTIES, Penalty, Step


@PENALTIES.register("batch_spectral_shrinkage")
class BatchSpectralShrinkage(Penalty):
    """`eta · Σ σ²` over the `k` smallest singular values σ of the features of a batch, `(batch, channels)`.

    Chen, Wang, Fu, Long, Wang, "Catastrophic Forgetting Meets Negative Transfer: Batch Spectral Shrinkage for Safe
    Transfer Learning" (2019), equation 5. It is added to another penalty there: penalty=["l2_sp",
    "batch_spectral_shrinkage"].

    Args:
        eta: strength, 0 or more; 0.001 in the paper.
        k: number of singular values, 1 or more; 1 in the paper. A batch has as many as it has images or channels.

    Example:
        >>> features = tf.constant([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
        >>> round(float(BatchSpectralShrinkage(eta=0.5).loss(Step([], [], features))), 4)  # 0.5 · 2²
        2.0
    """

    def __init__(self, eta: float = 0.001, k: int = 1):
        self.eta, self.k = Number(0)("eta", eta), Whole(1)("k", k)

    def loss(self, step: Step) -> tf.Tensor:
        """Returns the sum of the smallest squared singular values; 0 where the features do not change."""
        if step.features is None:
            return tf.zeros(())
        features = tf.cast(step.features, tf.float32)
        # The squares are the eigenvalues of the smaller of both products, whose gradient is defined for equal ones too.
        channels = features.shape[1]
        by_image = tf.matmul(features, features, transpose_b=True)
        by_channel = tf.matmul(features, features, transpose_a=True)
        squares = tf.cond(
            tf.shape(features)[0] <= channels,
            lambda: tf.linalg.eigvalsh(by_image),
            lambda: tf.linalg.eigvalsh(by_channel),
        )
        return self.eta * tf.reduce_sum(tf.maximum(squares[: self.k], 0))
