"""CDAN: an adversary that sees features together with predictions."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.adaptation.alignment.adversary import Discriminator, ramp, reverse_gradient
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch

_LARGEST = 4096  # length of the outer product above which the paper replaces it by a random projection


@ALIGNMENTS.register("cdan")
class CDAN(Alignment):
    """DANN on the outer product of features f and probabilities p, in which confident predictions weigh more.

    The discriminator sees `f ⊗ p`, or `(R_f f) * (R_p p) / sqrt(d)` with fixed random matrices R if `f ⊗ p` has more
    than 4,096 numbers. The weight of an image is `1 + exp(-H(p))` with the entropy H of its prediction. Long, Cao, Wang
    and Jordan, "Conditional Adversarial Domain Adaptation" (2018), section 3.1 (multilinear conditioning, plain and
    randomised) and 3.2 (entropy conditioning), https://arxiv.org/abs/1705.10667. Departures: the weights have a mean of
    1 in each domain, and no gradient flows through them; the discriminator and its optimizer are those of `DANN`.

    Args:
        units: width of each hidden layer of the discriminator.
        entropy_weighting: whether confident predictions weigh more (CDAN+E in the paper), or all the same (CDAN).
        random_dimension: length d of the random projection.
        seed: seed of the discriminator's initial weights and of the random matrices.
    """

    def __init__(
        self,
        units: Sequence[int] = (256, 256),
        entropy_weighting: bool = True,
        random_dimension: int = 1024,
        seed: int = 0,
    ):
        self.units = tuple(units)
        self.entropy_weighting = entropy_weighting
        self.random_dimension = random_dimension
        self.seed = seed

    def start(self, channels: int, num_classes: int) -> None:
        """Makes a new discriminator and, for long outer products, the random matrices."""
        self._random: tuple[tf.Tensor, tf.Tensor] | None = None
        length = channels * num_classes
        if length > _LARGEST:
            length, rng = self.random_dimension, np.random.default_rng(self.seed)
            normal = [rng.normal(size=(size, length)).astype(np.float32) for size in (channels, num_classes)]
            self._random = (tf.constant(normal[0]), tf.constant(normal[1]))
        self._discriminator = Discriminator(length, self.units, self.seed)

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights of the discriminator."""
        return self._discriminator.variables

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the loss of the discriminator."""
        features = tf.concat([source.features, target.features], axis=0)
        probabilities = tf.concat([source.probabilities, target.probabilities], axis=0)
        logarithms = tf.concat([source.log_probabilities, target.log_probabilities], axis=0)
        joint = reverse_gradient(self.joint(features, probabilities), ramp(progress))
        weights = certainty(probabilities, logarithms) if self.entropy_weighting else None
        return self._discriminator.loss(joint, tf.shape(source.features)[0], weights)

    def joint(self, features: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        """Returns the input of the discriminator, float32 `(batch, length)`."""
        if self._random is None:
            product = features[:, :, None] * probabilities[:, None, :]
            return tf.reshape(product, (-1, features.shape[1] * probabilities.shape[1]))
        of_features, of_probabilities = self._random
        scale = tf.sqrt(tf.cast(self.random_dimension, tf.float32))
        return tf.matmul(features, of_features) * tf.matmul(probabilities, of_probabilities) / scale


def certainty(probabilities: tf.Tensor, logarithms: tf.Tensor) -> tf.Tensor:
    """Returns `1 + exp(-H)` of each row, float32 `(batch,)` in (1, 2]. No gradient flows through it."""
    entropy = -tf.reduce_sum(probabilities * logarithms, axis=1)
    return tf.stop_gradient(1 + tf.exp(-entropy))
