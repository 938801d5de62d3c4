"""Running: the state of a method during training, which all parts of the model share."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Number
from keras_transfer._keras.leaves import set_rate_in_graph, without_state
from keras_transfer.adaptation.alignment import Alignment

WEIGHT = Number(0)  # the factor of a method's loss


class Running(keras.callbacks.Callback):
    """A method during training: its own weights, their optimizer, and the progress of training.

    As a callback it sets the progress at the start of each epoch, so that it is right also when a killed run goes on.
    `Resume` saves `state`.

    Args:
        method: the method. It is copied, so that one object may be given to several models, and the copy is started.
        weight: factor of its loss, 0 or more.
        channels: length of the feature vectors.
        num_classes: number of classes.

    Attributes:
        method: the copy.
        weight: factor of its loss.
        variables: the method's own weights, such as those of a discriminator.
        progress: float32 scalar in [0, 1), the share of the training that is done.
        step: int64 scalar, the number of steps since the start of training.

    Raises:
        InputError: if the weight is not a number 0 or more.
    """

    memory = ("state",)

    def __init__(self, method: Alignment, weight: float, channels: int, num_classes: int):
        super().__init__()
        self.method = copy(method)
        self.weight = float(WEIGHT("weight", weight))
        self.method.start(channels, num_classes)
        self.variables = self.method.variables
        self._optimizer: keras.optimizers.Optimizer | None = None
        self.progress = tf.Variable(0.0, trainable=False)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._share = tf.Variable(0.0, trainable=False)  # of the training that one step is

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        epochs, steps = self.params["epochs"], self.params["steps"] or 1
        self.begin(epoch, epochs, steps)

    def follow(self, leaf: keras.optimizers.Optimizer) -> None:
        """Makes an optimizer for the method's own weights, with the settings of the model's, unless there is one.

        Args:
            leaf: the optimizer that changes the head of the model.
        """
        if self.variables and self._optimizer is None:
            self._optimizer = without_state(leaf, learning_rate=0.0)
            self._optimizer.loss_scale_factor = None  # gradients come without the scale of the loss
            self._optimizer.build(self.variables)

    def begin(self, epoch: int, epochs: int, steps: int) -> None:
        """Sets progress and step to the start of an epoch, counted from 0; each epoch has `steps` batches."""
        self.progress.assign(epoch / epochs)
        self.step.assign(epoch * steps)
        self._share.assign(1 / (epochs * steps))

    def advance(self) -> None:
        """Counts one training step; called inside the training graph."""
        self.progress.assign_add(self._share)
        self.step.assign_add(1)

    def learn(self, gradients: Sequence[tf.Tensor | None], rate: tf.Tensor, is_finite: tf.Tensor) -> None:
        """Updates the method's own weights; called inside the training graph.

        Args:
            gradients: of the loss without any scale, one for each of `variables`.
            rate: learning rate of the model's head in this step.
            is_finite: boolean scalar. If False the step is skipped: one infinite gradient would make the weights and
                the moments of their optimizer not-a-number for good.
        """
        optimizer = self._optimizer
        if optimizer is None:
            return

        def update() -> None:
            set_rate_in_graph(optimizer, rate)
            optimizer.apply_gradients(zip(gradients, self.variables, strict=True))

        keras.ops.cond(is_finite, update, lambda: None)

    @property
    def state(self) -> list[np.ndarray]:
        """The method's own weights and the variables of their optimizer, as arrays."""
        return [np.array(keras.ops.convert_to_numpy(variable)) for variable in self._kept]

    @state.setter
    def state(self, arrays: Sequence[np.ndarray]) -> None:
        for variable, array in zip(self._kept, arrays, strict=True):
            variable.assign(array)

    @property
    def _kept(self) -> list[keras.Variable]:
        return [*self.variables, *(self._optimizer.variables if self._optimizer else ())]
