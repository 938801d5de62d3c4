"""What the installed Keras does, found by a small experiment instead of by its version number."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
from keras import layers


class _Probe(layers.Layer):
    """A layer that stores the value of `training` from its last call."""

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> keras.KerasTensor:
        self.seen = training
        return inputs


@cache
def keeps_training_false() -> bool:
    """Returns whether `network(x, training=False)`, written when a model is built, still holds while the model trains.

    Up to Keras 3.15.1 it does not: the `training=True` of the outer model overrides it (keras #20285). Keras PR #23364
    changes that.
    """
    probe, values = _Probe(), keras.Input((1,))
    network = keras.Sequential([keras.Input((1,)), probe])
    model = keras.Model(values, network(values, training=False))
    model(np.zeros((1, 1), "float32"), training=True)
    return probe.seen is False
