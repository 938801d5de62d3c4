"""L2-SP: keeps the weights near those that the network began with."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer.training.penalties.penalty import PENALTIES, Penalty, Step


@PENALTIES.register("l2_sp")
class L2SP(Penalty):
    """`alpha / 2 · |w - w0|² + beta / 2 · |v|²` for weights w of the backbone, which were w0, and v of the head.

    Li, Grandvalet and Davoine, "Explicit Inductive Bias for Transfer Learning with Convolutional Networks" (2018),
    equation 3, https://arxiv.org/abs/1802.01483.

    Args:
        alpha: strength for the backbone, 0 or more; the paper chooses from 0.001 to 1.
        beta: strength for the head, 0 or more; 0.01 in the paper.

    Example:
        >>> moved = Step([(tf.constant([1.0, 3.0]), tf.constant([1.0, 1.0]))], [tf.constant([2.0])], None)
        >>> float(L2SP(alpha=0.5, beta=0.25).loss(moved))  # 0.25 · 2² + 0.125 · 2²
        1.5
    """

    def __init__(self, alpha: float = 0.1, beta: float = 0.01):
        self.alpha, self.beta = Number(0)("alpha", alpha), Number(0)("beta", beta)

    def loss(self, step: Step) -> tf.Tensor:
        """Returns the distance of the weights from what they were, and the size of the head."""
        far = [squares(now - before) for now, before in step.weights]
        large = [squares(now) for now in step.head]
        return self.alpha / 2 * total(far) + self.beta / 2 * total(large)


def squares(values: tf.Tensor) -> tf.Tensor:
    """Returns the sum of the squares, float32."""
    return tf.reduce_sum(tf.cast(values, tf.float32) ** 2)


def total(parts: list[tf.Tensor]) -> tf.Tensor:
    """Returns the sum; 0 of none."""
    return tf.add_n(parts) if parts else tf.zeros(())
