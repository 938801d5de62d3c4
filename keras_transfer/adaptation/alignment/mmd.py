"""MMD: makes the mean features of both domains alike, in the space of a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer._checks import InputError
from keras_transfer._registry import Registry
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch, squared_distances

Kernel = Callable[[tf.Tensor], tf.Tensor]  # takes squared distances, divided by the bandwidth
KERNELS: Registry[Kernel] = Registry("kernel", callable, "a function of squared distances")

_BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


@KERNELS.register("gaussian")
def gaussian(squared: tf.Tensor) -> tf.Tensor:
    """Returns `exp(-d²)`, where `squared` is the squared distance d² in units of the bandwidth."""
    return tf.exp(-squared)


@KERNELS.register("laplacian")
def laplacian(squared: tf.Tensor) -> tf.Tensor:
    """Returns `exp(-d)`, where `squared` is the squared distance d² in units of the bandwidth."""
    return tf.exp(-tf.sqrt(squared + 1e-12))  # the root has no gradient at 0


@KERNELS.register("inverse_multiquadric")
def inverse_multiquadric(squared: tf.Tensor) -> tf.Tensor:
    """Returns `1 / sqrt(1 + d²)`, where `squared` is d² in units of the bandwidth. It has heavy tails."""
    return tf.math.rsqrt(1 + squared)


@ALIGNMENTS.register("mmd")
class MMD(Alignment):
    """The squared distance of the means of both domains, in the space of a mean of kernels k of several bandwidths.

    It is `mean k(s, s') + mean k(t, t') - 2 mean k(s, t)` over all pairs of the batches: Gretton, Borgwardt, Rasch,
    Schölkopf and Smola, "A Kernel Two-Sample Test" (2012), equation 5 (squared),
    https://jmlr.org/papers/v13/gretton12a.html; with several kernels as in Long, Cao, Wang and Jordan, "Learning
    Transferable Features with Deep Adaptation Networks" (2015), section 3.1, https://arxiv.org/abs/1502.02791.
    Departures from the latter: all kernels have the same weight; the estimate uses all pairs (it is biased, and 0 for
    equal batches), not a sample in linear time; only the inputs of the last layer are aligned. Bandwidths are multiples
    of the mean squared distance of the points of both batches, through which no gradient flows.

    Args:
        kernel: "gaussian", "laplacian", "inverse_multiquadric", or a function of squared distances that are divided by
            the bandwidth.
        bandwidths: multiples of the mean squared distance, each above 0.

    Raises:
        InputError: for an unknown kernel, or a bandwidth that is not above 0.
    """

    smallest_batch = 2
    zero_on_equal = True

    def __init__(self, kernel: str | Kernel = "gaussian", bandwidths: Sequence[float] = _BANDWIDTHS):
        if not bandwidths:
            raise InputError("Expected one bandwidth or more. Received: none.")
        for bandwidth in bandwidths:
            Number(0, above=True)("bandwidth", bandwidth)
        self.kernel = kernel
        self.bandwidths = tuple(bandwidths)
        self._function = KERNELS.find(kernel)

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the squared distance of the means."""
        count = tf.shape(source.features)[0]
        points = tf.concat([source.features, target.features], axis=0)
        return discrepancy(mixture(points, self._function, self.bandwidths), count)


def mixture(points: tf.Tensor, kernel: Kernel, bandwidths: Sequence[float]) -> tf.Tensor:
    """Returns for each pair of points `(count, channels)` the mean of a kernel over bandwidths, `(count, count)`."""
    squared = squared_distances(points)
    pairs = tf.cast(tf.shape(points)[0] * (tf.shape(points)[0] - 1), tf.float32)
    unit = tf.stop_gradient(tf.reduce_sum(squared) / tf.maximum(pairs, 1)) + 1e-12
    return tf.add_n([kernel(squared / (bandwidth * unit)) for bandwidth in bandwidths]) / len(bandwidths)


def discrepancy(kernel: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """Returns the biased squared MMD, given a kernel matrix whose first `count` rows and columns are the source."""
    of_source, of_target, across = kernel[:count, :count], kernel[count:, count:], kernel[:count, count:]
    return tf.reduce_mean(of_source) + tf.reduce_mean(of_target) - 2 * tf.reduce_mean(across)
