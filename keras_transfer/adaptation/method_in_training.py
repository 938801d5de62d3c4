"""Running: what a method keeps while training runs, shared by all parts of the model that are trained in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._keras.leaves import equal, leaves, set_rate_in_graph
from keras_transfer.adaptation.alignment import Alignment, check_weight


class Running(keras.callbacks.Callback):
    """A method in training: its own weights and their optimizer, and how far training has come.

    As a callback it ties progress to the epoch's number, so that a run that goes on after it was killed goes on here
    too; what the method has learnt is part of what `Resume` keeps.

    Args:
        method: which is started anew.
        weight: of its loss, 0 or more.
        channels: length of the features.
        num_classes: number of probabilities.

    Raises:
        InputError: if the weight is below 0.
    """

    memory = ("state",)

    def __init__(self, method: Alignment, weight: float, channels: int, num_classes: int):
        super().__init__()
        check_weight(weight)
        self.method = method
        self.weight = float(weight)
        method.start(channels, num_classes)
        self.variables = method.variables
        self._optimizer: keras.optimizers.Optimizer | None = None
        self.progress = tf.Variable(0.0, trainable=False)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._share = tf.Variable(0.0, trainable=False)  # of all training in one step

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epochs, steps = self.params["epochs"], self.params["steps"] or 1
        self.begin(epoch, epochs, steps)

    def follow(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Gives what the method learns itself an optimizer equal to that of the model's head, once."""
        if self.variables and self._optimizer is None:
            self._optimizer = equal(leaves(optimizer)[-1], learning_rate=0.0)
            self._optimizer.build(self.variables)

    def begin(self, epoch: int, epochs: int, steps: int) -> None:
        """Sets progress to the begin of an epoch, counted from 0, of `steps` batches each."""
        self.progress.assign(epoch / epochs)
        self.step.assign(epoch * steps)
        self._share.assign(1 / (epochs * steps))

    def advance(self) -> None:
        """Counts a step; called in the graph."""
        self.progress.assign_add(self._share)
        self.step.assign_add(1)

    def learn(self, gradients: Sequence[tf.Tensor], optimizer: keras.optimizers.Optimizer) -> None:
        """Takes a step with the method's own weights, at the rate of the model's head; called in the graph."""
        if self._optimizer is not None:
            set_rate_in_graph(self._optimizer, leaves(optimizer)[-1].learning_rate)
            self._optimizer.apply_gradients(zip(gradients, self.variables, strict=True))

    @property
    def state(self) -> list[np.ndarray]:
        """What the method has learnt, as arrays: its weights and the variables of their optimizer."""
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._kept]

    @state.setter
    def state(self, arrays: Sequence[np.ndarray]) -> None:
        for variable, array in zip(self._kept, arrays, strict=True):
            variable.assign(array)

    @property
    def _kept(self) -> list[keras.Variable]:
        return [*self.variables, *(self._optimizer.variables if self._optimizer else ())]
