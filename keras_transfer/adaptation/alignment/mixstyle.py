"""MixStyle: trains on feature maps in the style of other images, for domains that were not seen in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer._checks import InputError
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch

_QUANTILES = 4096  # λ is drawn from so many quantiles, because the Beta sampler does not compile under XLA


@ALIGNMENTS.register("mixstyle")
class MixStyle(Alignment):
    """Adds no loss. In training, channel means and deviations are interpolated with those of a partner image.

    A feature map x with a partner x' of another domain becomes `σ (x - μ(x)) / σ(x) + μ`, where
    `μ = λ μ(x) + (1 - λ) μ(x')` and `σ = λ σ(x) + (1 - λ) σ(x')` are taken over height and width of each channel, and λ
    is drawn from Beta(α, α). Zhou, Yang, Qiao and Xiang, "Domain Generalization with MixStyle" (2021), section 2.2,
    https://arxiv.org/abs/2104.02008. It takes several labelled sources and no target; with one source, any other image
    may be the partner. Departure: the paper mixes after residual blocks, this class before and after the first open
    stage, with separate random numbers. Frozen stages do not change, and while the head alone is open nothing is mixed.

    Args:
        probability: share of the batches that are mixed, in [0, 1].
        alpha: parameter α of the Beta distribution, above 0.
        seed: seed of the partners, of λ, and of the choice of batches.

    Raises:
        InputError: if a value is out of its range.
    """

    needs_target = False
    smallest_batch = 2
    zero_on_equal = True

    def __init__(self, probability: float = 0.5, alpha: float = 0.1, seed: int = 0):
        alpha = Number(0, above=True)("alpha", alpha)
        if not 0 <= probability <= 1:
            raise InputError(f"Expected `probability` in [0, 1]. Received: probability={probability!r}.")
        self.probability = probability
        self.alpha = alpha
        self.seed = seed
        self._shares = _beta(alpha)

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns 0."""
        return tf.zeros(())

    def mix(self, feature_map: tf.Tensor, sizes: Sequence[tf.Tensor], step: tf.Tensor, place: int = 0) -> tf.Tensor:
        """Returns the feature map with mixed styles, in the same shape and dtype.

        Args:
            feature_map: `(batch, height, width, channels)`, one domain after another.
            sizes: number of images of each domain.
            step: int64 scalar, the training step. Random numbers depend on it, on the seed and on the place alone.
            place: number of the place in the network at which styles are mixed, from 0.
        """
        seed = tf.random.fold_in(tf.stack([tf.constant(self.seed, tf.int64), step]), place)
        seeds = tf.random.split(seed, 3)
        x = tf.cast(feature_map, tf.float32)
        mean, deviation = style(x)
        partners = other_images(sizes, seeds[0])
        shape = tf.stack([tf.shape(x)[0], 1, 1, 1])
        share = tf.gather(self._shares, tf.random.stateless_uniform(shape, seeds[1], 0, _QUANTILES, tf.int32))
        new_mean = share * mean + (1 - share) * tf.gather(mean, partners)
        new_deviation = share * deviation + (1 - share) * tf.gather(deviation, partners)
        mixed = new_deviation * (x - mean) / deviation + new_mean
        is_mixed = tf.random.stateless_uniform((), seeds[2]) < self.probability
        return tf.cast(tf.where(is_mixed, mixed, x), feature_map.dtype)


def _beta(alpha: float) -> np.ndarray:
    """Returns equally likely quantiles of Beta(alpha, alpha), float32 `(count,)`."""
    from scipy.special import betaincinv

    return betaincinv(alpha, alpha, (np.arange(_QUANTILES) + 0.5) / _QUANTILES).astype(np.float32)


def style(feature_map: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and deviation over height and width, each `(batch, 1, 1, channels)`, without gradients."""
    mean, variance = tf.nn.moments(feature_map, axes=(1, 2), keepdims=True)
    return tf.stop_gradient(mean), tf.stop_gradient(tf.sqrt(variance + 1e-6))


def other_images(sizes: Sequence[tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Returns for each image the index of an image of another domain, or of any image if there is one domain."""
    seeds = tf.random.split(seed, len(sizes) + 1)
    ends = tf.cumsum(tf.stack([tf.cast(size, tf.int32) for size in sizes]))
    turn = 0
    if len(sizes) > 1:
        turn = tf.random.stateless_uniform((), seeds[-1], 1, len(sizes), tf.int32)
    found = []
    for domain, size in enumerate(sizes):
        partner = tf.math.floormod(domain + turn, len(sizes))
        end = ends[partner]
        begin = tf.where(partner > 0, ends[partner - 1], 0)
        found.append(tf.random.stateless_uniform([size], seeds[domain], begin, end, tf.int32))
    return tf.concat(found, axis=0)
