"""The `tf.Variable` inside a Keras variable: one that exists already, or one read as it is."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def borrow(layer: keras.layers.Layer, variable: tf.Variable, trainable: bool) -> None:
    """Adds a SavedModel's variable to a layer's weights. Training the layer changes the variable itself, not a copy."""
    layer._track_variable(_BorrowedVariable(variable, trainable))


def as_stored(variable: keras.Variable) -> tf.Tensor:
    """Returns the value of a variable in its own dtype, also inside a layer that computes in another."""
    return tf.convert_to_tensor(variable._value)


class _BorrowedVariable(keras.Variable):
    """A Keras variable whose value is stored in a `tf.Variable`."""

    def __init__(self, variable: tf.Variable, trainable: bool):
        self._borrowed = variable
        super().__init__(variable.numpy(), dtype=variable.dtype.name, trainable=trainable)

    def _initialize(self, value: Any) -> None:
        self._value = self._borrowed
