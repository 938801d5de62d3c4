"""AdaBN: BatchNorm with the statistics of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("adabn")
class AdaBN(Alignment):
    """Nothing in the loss: when training is over, BatchNorm gets mean and variance of the target's images.

    This is the one method that changes what is frozen: the statistics of every BatchNorm layer, and nothing else. With
    a source the task is learnt first; without one only the statistics change. Li, Wang, Shi, Liu and Hou, "Revisiting
    Batch Normalization For Practical Domain Adaptation" (2016), section 3.3, algorithm 1,
    https://arxiv.org/abs/1603.04779. Departure: while statistics are gathered each layer gets what the layers before it
    normalise by the statistics of the batch, not of the whole set, so that one pass is enough.
    """

    needs_source = False
    needs_target = False  # in training: its images are read afterwards
    zero_on_equal = True

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns 0."""
        return tf.zeros(())


def pooled(
    means: Sequence[np.ndarray], variances: Sequence[np.ndarray], counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance of a whole set from those of its batches.

    The variance of the whole is the mean of the variances plus the variance of the means.

    Args:
        means: of each batch, `(channels,)`.
        variances: of each batch, with the size of the batch in the divisor.
        counts: size of each batch.

    Example:
        >>> mean, variance = pooled([np.array([1.0]), np.array([4.0])], [np.array([1.0]), np.array([0.0])], [2, 1])
        >>> mean.tolist(), variance.tolist()  # of 0, 2, 4
        ([2.0], [2.6666666666666665])
    """
    shares = np.array(counts, float)[:, None] / sum(counts)
    mean = (shares * np.stack(means)).sum(axis=0)
    variance = (shares * (np.stack(variances) + (np.stack(means) - mean) ** 2)).sum(axis=0)
    return mean, variance
