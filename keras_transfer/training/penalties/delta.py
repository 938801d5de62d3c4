"""DELTA: keeps what the stages see near what they saw before training, rather than their weights."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer.training.penalties.l2_sp import squares, total
from keras_transfer.training.penalties.penalty import PENALTIES, Penalty, Step


@PENALTIES.register("delta")
class Delta(Penalty):
    """`alpha · Σ |F - F0|² + beta · |v|²` for maps F at the ends of stages, which were F0, and weights v of the head.

    The squares are averaged over the images and the places of a map, and added up over channels and stages.

    Li, Xiong, Wang, Rao, Liu, Huan, "DELTA: DEep Learning Transfer using Feature Map with Attention for Convolutional
    Networks" (2019), equations 3 to 5, https://arxiv.org/abs/1901.09229. Departures: all channels weigh the same, as in
    the paper's DELTA without attention, and squares are averaged over places, so that `alpha` is the same for all sizes
    of image.

    Args:
        alpha: strength for the maps, 0 or more.
        beta: strength for the head, 0 or more; 0.01 in the paper.

    Example:
        >>> maps = [(tf.ones((2, 4, 4, 3)), tf.zeros((2, 4, 4, 3)))]
        >>> float(Delta(alpha=0.5).loss(Step([], [], None, lambda: maps)))  # 0.5 · 3 channels
        1.5
    """

    def __init__(self, alpha: float = 0.01, beta: float = 0.01):
        self.alpha, self.beta = Number(0)("alpha", alpha), Number(0)("beta", beta)

    def loss(self, step: Step) -> tf.Tensor:
        """Returns the distance of the maps from what they were, and the size of the head."""
        far = [_mean_squares(now, before) for now, before in step.maps]
        return self.alpha * total(far) + self.beta * total([squares(now) for now in step.head])


def _mean_squares(now: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
    """Returns the squared distance summed over channels, its mean over all else."""
    distance = tf.cast(now, tf.float32) - tf.cast(before, tf.float32)
    return tf.reduce_mean(tf.reduce_sum(distance**2, axis=-1))
