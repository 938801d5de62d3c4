"""MCC: makes predictions on the target that do not confuse classes."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer.adaptation.alignment.cdan import certainty
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("mcc")
class MCC(Alignment):
    """The confusion between pairs of classes in the target's predictions.

    Let y be the probabilities, softened by the temperature T, and `w ∝ 1 + exp(-H(y))` weights with a mean of 1. The
    class confusion is `C = yᵀ diag(w) y`, with each row divided by its sum. The loss is the sum of C outside its
    diagonal, divided by the number of classes. Jin, Wang, Long and Wang, "Minimum Class Confusion for Versatile Domain
    Adaptation" (2020), section 3, https://arxiv.org/abs/1912.03699.

    Args:
        temperature: T, above 0; the default is that of the paper.

    Raises:
        InputError: if the temperature is not above 0.
    """

    smallest_batch = 2

    def __init__(self, temperature: float = 2.5):
        temperature = Number(0, above=True)("temperature", temperature)
        self.temperature = temperature

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the confusion, in [0, 1)."""
        logits = target.log_probabilities / self.temperature
        softened, logarithms = tf.nn.softmax(logits), tf.nn.log_softmax(logits)
        weights = certainty(softened, logarithms)
        weights /= tf.reduce_mean(weights)
        confusion = tf.matmul(softened, softened * weights[:, None], transpose_a=True)
        confusion /= tf.reduce_sum(confusion, axis=1, keepdims=True)
        classes = tf.cast(tf.shape(confusion)[0], tf.float32)
        return (tf.reduce_sum(confusion) - tf.linalg.trace(confusion)) / classes
