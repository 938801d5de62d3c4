"""DANN: makes features from which an adversary cannot tell the domain."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_transfer.adaptation.alignment.adversary import Discriminator, ramp, reverse_gradient
from keras_transfer.adaptation.alignment.method import ALIGNMENTS, Alignment, Batch


@ALIGNMENTS.register("dann")
class DANN(Alignment):
    """The cross-entropy of a discriminator, a network that tells the domains apart from the features.

    The discriminator learns to lower this loss, and the network, which gets the reversed gradient, to raise it. Ganin
    and others, "Domain-Adversarial Training of Neural Networks" (2016), section 4.2 and, for the factor of the reversed
    gradient, 5.2.2, https://arxiv.org/abs/1505.07818. Departure: the widths of the discriminator's layers are
    arguments. It has an optimizer with the settings of the model's, at the learning rate of the head.

    Args:
        units: width of each hidden layer of the discriminator.
        seed: seed of its initial weights.
    """

    def __init__(self, units: Sequence[int] = (256, 256), seed: int = 0):
        self.units = tuple(units)
        self.seed = seed

    def start(self, channels: int, num_classes: int) -> None:
        """Makes a new discriminator."""
        self._discriminator = Discriminator(channels, self.units, self.seed)

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights of the discriminator."""
        return self._discriminator.variables

    def loss(self, source: Batch, target: Batch, progress: tf.Tensor) -> tf.Tensor:
        """Returns the loss of the discriminator."""
        features = tf.concat([source.features, target.features], axis=0)
        reversed_ = reverse_gradient(features, ramp(progress))
        return self._discriminator.loss(reversed_, tf.shape(source.features)[0])
