"""AdaBN: gives BatchNorm layers the statistics of the target."""

from __future__ import annotations

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
