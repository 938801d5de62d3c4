"""State that `compile` and `fit` store in a model under private names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.optimizers import Optimizer

from keras_transfer._keras.leaves import leaves


def replace_optimizer(model: keras.Model, optimizer: Optimizer) -> None:
    """Replaces the optimizer of a compiled model. Loss and metrics stay the same."""
    model.optimizer = optimizer
    model._compile_config.config["optimizer"] = optimizer  # a reloaded model is compiled from this
    model.train_function = None  # it was traced with the old optimizer


def restored_epoch(model: keras.Model) -> int:
    """Returns the epoch, counted from 0, at which BackupAndRestore lets `fit` continue; 0 if it restored nothing."""
    return model._initial_epoch or 0


def forget_restored_epoch(model: keras.Model) -> None:
    """Deletes the initial epoch that BackupAndRestore stored during an earlier `fit`."""
    model._initial_epoch = None


def task_loss(model: keras.Model, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the compiled loss with regularisation losses, a scalar tensor, as in the model's own training step."""
    return model._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)


def track_loss(model: keras.Model, loss: Any, images: Any) -> None:
    """Adds the loss of a batch to the mean that `fit` displays, weighted by `images`, the number of images."""
    model._loss_tracker.update_state(loss, sample_weight=images)


@contextmanager
def finalized_at_the_end(model: keras.Model) -> Iterator[None]:
    """Delays, until the context ends, the step in which `fit` replaces weights by their averages (`use_ema`)."""
    optimizers = leaves(model.optimizer)
    for optimizer in optimizers:
        vars(optimizer)["finalize_variable_values"] = lambda variables: None
    try:
        yield
    finally:
        for optimizer in optimizers:
            del vars(optimizer)["finalize_variable_values"]
    model.optimizer.finalize_variable_values(model.trainable_weights)
