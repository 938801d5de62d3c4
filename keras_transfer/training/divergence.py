"""Divergence: stops a training whose loss is no number any more, says where and why, and gives back good weights."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import DataWarning


class Divergence(keras.callbacks.Callback):
    """Stops a training that has diverged, warns, and leaves the best weights so far, or those it started with.

    A training has diverged if its loss is not a finite number, in a step or over an epoch.

    Args:
        part: the part of the model that holds all weights that training changes.
        best: the callback that keeps the best weights, which must run after this one; None where there is none, and
            the weights of the last good epoch count.
    """

    watches_steps = False  # the loss of several steps tells of each

    def __init__(self, part: keras.Model, best: keras.callbacks.EarlyStopping | None = None):
        super().__init__()
        self._part, self._best = part, best

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._good = self._part.get_weights()
        self._epoch = 0
        self.epoch: int | None = None
        self.step: int | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.epoch is None and not np.isfinite((logs or {}).get("loss", 0.0)):
            self._stop(batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.epoch is None and self.broken(logs or {}):
            self._stop()
        if self.epoch is None and self._best is None:
            self._good = self._part.get_weights()
        if self.epoch is not None and self._best is not None and self._best.best_weights is None:
            self._best.best_weights = self._good

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.epoch is None:
            return
        if self._best is None:
            self._part.set_weights(self._good)
        step = "" if self.step is None else f", step {self.step + 1}"
        warnings.warn(
            f"Training diverged in epoch {self.epoch + 1}{step}: {self.what} is not a finite number. It was stopped. "
            f"The model has the weights of its best epoch before, or those it started with. {self.advice()}",
            DataWarning,
            stacklevel=2,
        )

    what = "the loss"

    def broken(self, logs: dict[str, Any]) -> bool:
        """Says whether the logs of an epoch are those of a training that has diverged."""
        return not all(np.isfinite(logs.get(name, 0.0)) for name in ("loss", "val_loss"))

    def advice(self) -> str:
        """Returns what to do about it, one sentence."""
        if any(layer.compute_dtype == "float16" for layer in self._part.layers):
            return "float16 holds numbers up to 65504 alone: use mixed_bfloat16 or float32, or a lower learning rate."
        return f"Try a lower learning rate than {self._rate:.3g}; kt.find_learning_rate finds one."

    def _stop(self, step: int | None = None) -> None:
        self.epoch, self.step = self._epoch, step
        self._rate = float(np.asarray(self.model.optimizer.learning_rate))
        self.model.stop_training = True
