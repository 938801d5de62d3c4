"""Information maximisation: makes single predictions on the target confident, and all of them together diverse."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch, logarithm, mean_entropy


@ALIGNMENTS.register("information_maximization")
class InformationMaximization(Alignment):
    """The mean entropy of the predictions minus the entropy of the mean prediction, `mean H(p) - diversity H(mean p)`.

    It needs no source images: the head, trained on the source before, stays as it is, and the backbone learns features
    of the target for which the head makes confident predictions. Liang, Hu and Feng, "Do We Really Need to Access the
    Source Data? Source Hypothesis Transfer for Unsupervised Domain Adaptation" (2020), section 3.2 (the information
    maximisation loss), https://arxiv.org/abs/2002.08546. Departure: no pseudo-labels from clusters.

    Args:
        diversity: weight of the second term, 0 or more. With 0 the method is entropy minimisation, which may end with
            one class for all images.

    Raises:
        InputError: if the diversity is below 0.
    """

    needs_source = False

    def __init__(self, diversity: float = 1.0):
        if not diversity >= 0:
            raise InputError(f"Expected `diversity` 0 or more. Received: diversity={diversity!r}.")
        self.diversity = diversity

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the difference of the entropies, in [-log(num_classes), log(num_classes)] if `diversity` is 1."""
        mean = tf.reduce_mean(target.probabilities, axis=0, keepdims=True)
        entropy = mean_entropy(target.probabilities, target.log_probabilities)
        return entropy - self.diversity * mean_entropy(mean, logarithm(mean))
