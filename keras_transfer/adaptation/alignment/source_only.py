"""Source only: the baseline beside which every method must stand."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("none")
class SourceOnly(Alignment):
    """Nothing but the task on the source: what training gives without a thought of the target."""

    needs_target = False
    zero_on_equal = True

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns 0."""
        return tf.zeros(())
