"""JMMD: makes the joint distributions of features and predictions of both domains alike."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Batch
from keras_transfer.adaptation.alignment.mmd import MMD, discrepancy, mixture


@ALIGNMENTS.register("jmmd")
class JMMD(MMD):
    """MMD with the product of a kernel of the features and a kernel of the probabilities, `k(f, f') k(p, p')`.

    Long, Zhu, Wang and Jordan, "Deep Transfer Learning with Joint Adaptation Networks" (2017), section 4.1 (the
    empirical joint maximum mean discrepancy), https://arxiv.org/abs/1605.06636. Departures: the estimate uses all pairs
    (it is biased, and 0 for equal batches), not a sample in linear time; the bandwidths of both kernels are relative to
    the batch; there is no adversarial variant.

    Args:
        kernel: as in `MMD`.
        bandwidths: bandwidths of the features' kernel, as multiples of their mean squared distance. The kernel of the
            probabilities has one bandwidth, their mean squared distance.

    Raises:
        InputError: for an unknown kernel, or a bandwidth that is not above 0.
    """

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the squared distance of the joint means."""
        count = tf.shape(source.features)[0]
        features = tf.concat([source.features, target.features], axis=0)
        probabilities = tf.concat([source.probabilities, target.probabilities], axis=0)
        joint = mixture(features, self._function, self.bandwidths) * mixture(probabilities, self._function, (1.0,))
        return discrepancy(joint, count)
