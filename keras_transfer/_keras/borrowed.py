"""A Keras variable that holds its value in a variable of TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def borrow(layer: keras.layers.Layer, variable: tf.Variable, trainable: bool) -> None:
    """Makes a variable of a SavedModel a weight of a layer: training the layer changes that variable, not a copy."""
    layer._track_variable(_BorrowedVariable(variable, trainable))


class _BorrowedVariable(keras.Variable):
    """A Keras variable whose value is held by a variable of TensorFlow."""

    def __init__(self, variable: tf.Variable, trainable: bool):
        self._borrowed = variable
        super().__init__(variable.numpy(), dtype=variable.dtype.name, trainable=trainable)

    def _initialize(self, value: Any) -> None:
        self._value = self._borrowed
