"""The trainer inside a model: what `compile` and `fit` keep without a public name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.optimizers import Optimizer

from keras_transfer._keras.leaves import leaves


def replace_optimizer(model: keras.Model, optimizer: Optimizer) -> None:
    """Gives a compiled model another optimizer; loss and metrics stay."""
    model.optimizer = optimizer
    model._compile_config.config["optimizer"] = optimizer  # from which a saved model is compiled again
    model.train_function = None  # it was traced with the optimizer that is gone


def restored_epoch(model: keras.Model) -> int:
    """Returns the epoch, counted from 0, from which BackupAndRestore lets `fit` go on; 0 where it restored none."""
    return model._initial_epoch or 0


def forget_restored_epoch(model: keras.Model) -> None:
    """Takes back what BackupAndRestore of an earlier `fit` left."""
    model._initial_epoch = None


def task_loss(model: keras.Model, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
    """Returns the loss that the model was compiled for, with its regularisation, as its own training step does."""
    return model._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)


def track_loss(model: keras.Model, loss: Any, images: Any) -> None:
    """Adds a loss to the mean that `fit` shows, with the number of images it is of."""
    model._loss_tracker.update_state(loss, sample_weight=images)


@contextmanager
def finalized_at_the_end(model: keras.Model) -> Iterator[None]:
    """Keeps `fit` from putting averages of weights in place of the weights until the context ends."""
    optimizers = leaves(model.optimizer)
    for optimizer in optimizers:
        vars(optimizer)["finalize_variable_values"] = lambda variables: None
    try:
        yield
    finally:
        for optimizer in optimizers:
            del vars(optimizer)["finalize_variable_values"]
    model.optimizer.finalize_variable_values(model.trainable_weights)
