"""MixStyle: features in the style of other images, for domains that nobody has seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer._checks import InputError
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch

_QUANTILES = 4096  # of the Beta distribution, from which λ is drawn: its sampler does not compile under XLA


@ALIGNMENTS.register("mixstyle")
class MixStyle(Alignment):
    """Nothing in the loss: in training, feature maps x take mean and deviation from between their own and a partner's.

    With a partner x' of another domain and λ from Beta(α, α): `σ (x - μ(x)) / σ(x) + μ`, where
    `μ = λ μ(x) + (1 - λ) μ(x')` and `σ = λ σ(x) + (1 - λ) σ(x')`, over height and width of each channel. Zhou, Yang,
    Qiao and Xiang, "Domain Generalization with MixStyle" (2021), section 2.2, https://arxiv.org/abs/2104.02008. It
    takes several labelled sources and no target; of a single source, partners are any images. Styles are mixed in what
    enters the first open stage and in what leaves it, where the paper names residual blocks, with chance of its own in
    either place; what is frozen stays as it is, and while the head alone is open nothing is mixed.

    Args:
        probability: share of the batches that are mixed, in [0, 1].
        alpha: of the Beta distribution, above 0.
        seed: of partners, λ and batches.

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
        """Returns the feature map with mixed styles, of the same shape and dtype.

        Args:
            feature_map: `(batch, height, width, channels)`, the images of each domain together.
            sizes: number of images of each domain.
            step: int64 scalar, on which all chance depends beside the seed and the place.
            place: in the network, which are counted from 0.
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
    """Returns quantiles of Beta(alpha, alpha), each as likely as the others: float32 `(quantiles,)`."""
    from scipy.special import betaincinv

    return betaincinv(alpha, alpha, (np.arange(_QUANTILES) + 0.5) / _QUANTILES).astype(np.float32)


def style(feature_map: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and deviation over height and width, `(batch, 1, 1, channels)`, through which no gradient flows."""
    mean, variance = tf.nn.moments(feature_map, axes=(1, 2), keepdims=True)
    return tf.stop_gradient(mean), tf.stop_gradient(tf.sqrt(variance + 1e-6))


def other_images(sizes: Sequence[tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
    """Returns for each image the place of one of another domain, or of any where there is one domain alone."""
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
