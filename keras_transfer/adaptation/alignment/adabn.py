"""AdaBN: gives BatchNorm layers the statistics of the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("adabn")
class AdaBN(Alignment):
    """Adds no loss. After training, every BatchNorm layer gets mean and variance of the target's images.

    This is the one method that changes frozen layers: the statistics of every BatchNorm layer, and nothing else. With a
    source the model is trained on it first; without a source only the statistics change. Li, Wang, Shi, Liu and Hou,
    "Revisiting Batch Normalization For Practical Domain Adaptation" (2016), section 3.3, algorithm 1,
    https://arxiv.org/abs/1603.04779. Departure: while the statistics are computed, each layer normalises with those of
    the present batch, not of the whole set, so that one pass over the images is enough.
    """

    needs_source = False
    needs_target = False  # during training; its images are read afterwards
    zero_on_equal = True

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns 0."""
        return tf.zeros(())


def pooled(
    means: Sequence[np.ndarray], variances: Sequence[np.ndarray], counts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance `(channels,)` of a whole set, given those of its batches.

    The variance of the whole set is the mean of the variances plus the variance of the means.

    Args:
        means: mean of each batch, `(channels,)`.
        variances: variance of each batch, `(channels,)`, with the size of the batch as divisor.
        counts: size of each batch.

    Example:
        >>> mean, variance = pooled([np.array([1.0]), np.array([4.0])], [np.array([1.0]), np.array([0.0])], [2, 1])
        >>> mean.tolist(), variance.tolist()  # the set is 0, 2, 4
        ([2.0], [2.6666666666666665])
    """
    shares = np.array(counts, float)[:, None] / sum(counts)
    mean = (shares * np.stack(means)).sum(axis=0)
    variance = (shares * (np.stack(variances) + (np.stack(means) - mean) ** 2)).sum(axis=0)
    return mean, variance
