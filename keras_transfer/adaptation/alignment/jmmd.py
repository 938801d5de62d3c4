"""JMMD: the same joint distribution of features and predictions."""

from __future__ import annotations

import tensorflow as tf

from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Batch
from keras_transfer.adaptation.alignment.mmd import MMD, discrepancy, mixture


@ALIGNMENTS.register("jmmd")
class JMMD(MMD):
    """MMD in the product of the kernels of features and of probabilities: `k(f, f') k(p, p')`.

    Long, Zhu, Wang and Jordan, "Deep Transfer Learning with Joint Adaptation Networks" (2017), section 4.1 (the
    empirical joint maximum mean discrepancy), https://arxiv.org/abs/1605.06636. Departures: all pairs count (the biased
    estimate, which is 0 for equal batches), not one in linear time; the bandwidth of both kernels follows the batch; no
    adversarial variant.

    Args:
        kernel: see `MMD`.
        bandwidths: of the features' kernel, in units of their mean squared distance. That of the probabilities has one
            bandwidth, the mean squared distance.

    Raises:
        InputError: for an unknown kernel, or bandwidths that are not above 0.
    """

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the squared distance of the joint means."""
        count = tf.shape(source.features)[0]
        features = tf.concat([source.features, target.features], axis=0)
        probabilities = tf.concat([source.probabilities, target.probabilities], axis=0)
        joint = mixture(features, self._function, self.bandwidths) * mixture(probabilities, self._function, (1.0,))
        return discrepancy(joint, count)
