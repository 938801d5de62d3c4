"""AverageEpochs: the mean of the weights after the last epochs, in place of those after one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import Kind, Whole, takes
from keras_transfer._checks import InputError
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.models.averages import moved_norms, set_average
from keras_transfer.models.batch_statistics import settle_batch_norm

DATA = Kind(LabelledData, "data of kt.data, such as from_directory returns")
AVERAGE = Whole(2)


class AverageEpochs(keras.callbacks.Callback):
    """Ends training with the mean of the weights after the last epochs: stochastic weight averaging.

    The mean lies nearer the middle of a flat valley of the loss than the weights of any one epoch do. Train with a rate
    that does not fall to 0, such as rate="constant".

    Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, "Averaging Weights Leads to Wider Optima and Better Generalization"
    (2018), algorithm 1, https://arxiv.org/abs/1803.05407. Departure: the rate is that of the training, not a cycle.

    Args:
        last: number of epochs, 2 or more. Of a training that stops early it averages the last ones before.
        data: its training images give the statistics of BatchNorm layers for the mean, where these layers were trained;
            without it the statistics are averaged too, which is near.

    Attributes:
        unless: says at the end whether the weights shall stay as they are, such as after a training that diverged.

    Raises:
        InputError: if `last` is not a whole number of 2 or more.

    Example:
        >>> layer = keras.layers.Dense(1, use_bias=False)
        >>> model = keras.Sequential([keras.Input((1,)), layer])
        >>> model.compile(keras.optimizers.SGD(0.5), "mse")
        >>> weights = []
        >>> keep = lambda epoch, logs: weights.append(float(layer.kernel[0, 0]))
        >>> seen = keras.callbacks.LambdaCallback(on_epoch_end=keep)
        >>> history = model.fit(np.ones((1, 1)), np.ones(1), epochs=3, verbose=0, callbacks=[seen, AverageEpochs(2)])
        >>> abs(float(layer.kernel[0, 0]) - sum(weights[1:]) / 2) < 1e-6
        True
    """

    memory = ("kept",)

    @takes(last=AVERAGE, data=DATA | None)
    def __init__(self, last: int, data: LabelledData | None = None):
        super().__init__()
        self.last = last
        self.kept: list[list[np.ndarray]] = []
        self.unless: Callable[[], bool] = lambda: False
        self._data = data

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.kept = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        now, before = self.model.get_weights(), self.kept[-1] if self.kept else None
        if not all(np.isfinite(np.asarray(weight, np.float64)).all() for weight in now):
            return
        if before is not None:  # what is frozen is kept once
            now = [old if np.array_equal(old, new) else new for old, new in zip(before, now, strict=True)]
        self.kept = [*self.kept, now][-self.last :]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        count = len(self.kept)
        if count < 2 or self.unless():
            return
        set_average(self.model, self.kept, [1 / count] * count)
        moved = moved_norms(self.model, self.kept)
        if self._data is not None and moved:
            images = self._data.in_order("train").map(lambda images, labels: images)
            settle_batch_norm(self.model, images, verbose=0, norms=moved)


def check_average(average: int | None, epochs: int) -> None:
    """Checks that the last phase has the epochs that are averaged.

    Args:
        average: number of them; None for no average.
        epochs: of the last phase, in which weights are trained.

    Raises:
        InputError: if it has fewer.
    """
    if average is not None and average > epochs:
        raise InputError(
            f"Expected `average` to be at most the epochs of the last phase that is trained, {epochs}. "
            f"Received: average={average}."
        )
