"""BiasAndNorm: the biases of a network are trained, and the scales and shifts of its normalisations."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from keras_transfer.models.tuning.tuning import TUNINGS, Tuning

_NORMS = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)


@TUNINGS.register("bias_and_norm")
class BiasAndNorm(Tuning):
    """Trains biases, and the scale and shift of BatchNorm and other normalisations, whose statistics stay.

    Zaken, Ravfogel and Goldberg, "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
    Language-models" (2022), section 3, https://arxiv.org/abs/2106.10199. Departure: most convolutional networks have no
    biases but the shifts of their normalisations, whose scales are trained beside them (Frankle, Schwab and Morcos,
    "Training BatchNorm and Only BatchNorm", 2021, https://arxiv.org/abs/2003.00152). Nothing is added to the network,
    so there is nothing to fold.
    """

    name = "bias_and_norm"

    def opened(self, layer: layers.Layer) -> Sequence[keras.Variable]:
        names = ("gamma", "beta") if isinstance(layer, _NORMS) else ("bias",)
        found = (vars(layer).get(name) for name in names)
        return [each for each in found if isinstance(each, keras.Variable)]
