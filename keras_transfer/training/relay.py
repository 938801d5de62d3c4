"""Relay: forwards the events of `fit` on a part to the callbacks of the whole model, as one training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras.callbacks import Callback, CallbackList, ProgbarLogger


class Relay(Callback):
    """Hands what happens in the `fit` of a part to the callbacks of the whole model.

    Several steps of the part may run in one execution. Keras gives such a one the number of its last step, also where
    the epoch ends before; here no number is beyond the epoch.

    Args:
        callbacks: of the whole model.
        whole: the whole model.
        validation_steps: batches of validation; None or below 0 where that is not known.
    """

    def __init__(self, callbacks: CallbackList, whole: keras.Model, validation_steps: int | None = None):
        super().__init__()
        self._callbacks, self._whole, self._validation_steps = callbacks, whole, validation_steps

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        before = self._whole.train_function
        self._callbacks.on_epoch_begin(epoch, logs)
        if self._whole.train_function is not before:
            self.model.make_train_function(force=True)  # other layers are open now

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_epoch_end(epoch, logs)
        self.model.stop_training = self._whole.stop_training

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_train_batch_end(_within(batch, self.params.get("steps")), logs)
        self.model.stop_training = self._whole.stop_training

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_test_begin(logs)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._callbacks.on_test_batch_end(_within(batch, self._validation_steps), logs)


def _within(batch: int, steps: int | None) -> int:
    return min(batch, steps - 1) if steps is not None and steps > 0 else batch


def watches_steps(callbacks: CallbackList) -> bool:
    """Says whether any callback has something to do within an epoch, other than to draw progress."""
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

    def watches(callback: Callback) -> bool:
        overridden = any(getattr(type(callback), hook) is not getattr(Callback, hook) for hook in hooks)
        return getattr(callback, "watches_steps", overridden) and not isinstance(callback, ProgbarLogger)

    return any(map(watches, callbacks.callbacks))


@contextmanager
def quiet_tracing() -> Iterator[None]:
    """Silences TensorFlow's warning of functions traced often: each segment traces its own, once."""
    logger = tf.get_logger()

    def keeps(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(keeps)
    try:
        yield
    finally:
        logger.removeFilter(keeps)
