"""What the installed Keras does, found out by a trial instead of by its version."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
from keras import layers


class _Probe(layers.Layer):
    """Notes the `training` it was last called with."""

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        self.seen = training
        return inputs


@cache
def keeps_training_false() -> bool:
    """Says whether a network called with `training=False` while a model is built keeps it while that model trains.

    It did not up to Keras 3.15.1: the outer `training=True` wins (keras #20285). Keras PR #23364 changes that.
    """
    probe, values = _Probe(), keras.Input((1,))
    network = keras.Sequential([keras.Input((1,)), probe])
    model = keras.Model(values, network(values, training=False))
    model(np.zeros((1, 1), "float32"), training=True)
    return probe.seen is False
