"""Source only: the baseline to which every method must be compared."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("none")
class SourceOnly(Alignment):
    """Adds no loss: trains the task on the source alone, without images of the target."""

    needs_target = False
    zero_on_equal = True

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns 0."""
        return tf.zeros(())
