"""Information maximisation: predictions on the target that are sure one by one and diverse together."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch, logarithm, mean_entropy


@ALIGNMENTS.register("information_maximization")
class InformationMaximization(Alignment):
    """The mean entropy of predictions less the entropy of their mean: `mean H(p) - diversity H(mean p)`.

    It needs no source images: with a head that was trained on the source and stays as it is, the backbone learns to
    give features of the target that the head is sure about. Liang, Hu and Feng, "Do We Really Need to Access the Source
    Data? Source Hypothesis Transfer for Unsupervised Domain Adaptation" (2020), section 3.2 (the information
    maximisation loss), https://arxiv.org/abs/2002.08546. Departure: without the paper's pseudo-labels by clusters.

    Args:
        diversity: weight of the second term, 0 or more; with 0 it is entropy minimisation, which may end with one class
            for everything.

    Raises:
        InputError: if the diversity is below 0.
    """

    needs_source = False

    def __init__(self, diversity: float = 1.0):
        if not diversity >= 0:
            raise InputError(f"Expected `diversity` 0 or more. Received: diversity={diversity!r}.")
        self.diversity = diversity

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns entropy less diversity, in [-log(num_classes), log(num_classes)] for a diversity of 1."""
        mean = tf.reduce_mean(target.probabilities, axis=0, keepdims=True)
        entropy = mean_entropy(target.probabilities, target.log_probabilities)
        return entropy - self.diversity * mean_entropy(mean, logarithm(mean))
