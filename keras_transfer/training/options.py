"""Options: the settings that `fine_tune` and `adapt` share, with their defaults, checked in one place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import InputError, positive
from keras_transfer._keras.refitting import fresh_optimizer
from keras_transfer.caching import Cache
from keras_transfer.schedules.named import Schedule, plan
from keras_transfer.schedules.phases import Phase
from keras_transfer.schedules.rates import RATES, Rate
from keras_transfer.tasks import Task, task_of_labels

EPOCHS, LEARNING_RATE, SCHEDULE = 10, 3e-3, "gradual"
_UNEVEN = 1.5  # largest class over smallest from which class weights are worth their noise


@dataclass(frozen=True, eq=False)
class Options:
    """Settings of a training; `fine_tune` documents them.

    Raises:
        InputError: if one is unknown or out of range.
    """

    optimizer: str | keras.optimizers.Optimizer = "adam"
    loss: str | keras.losses.Loss | None = None
    metrics: Sequence[Any] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    class_weight: str | dict[int, float] | None = "auto"
    rate: str | Rate | None = "constant"
    patience: int | None = None
    train_batch_norm: bool = False
    cache: str | bool | Cache = "auto"
    resume_dir: str | os.PathLike[str] | None = None
    verbose: str | int = "auto"

    def __post_init__(self) -> None:
        if self.patience is not None:
            positive("patience", self.patience, whole=True)
        if self.rate is not None:
            RATES.find(self.rate)
        if isinstance(self.class_weight, str) and self.class_weight not in ("auto", "balanced"):
            raise InputError(
                f"Expected `class_weight` 'auto', 'balanced', None or a dict. Received: {self.class_weight!r}."
            )
        if not isinstance(self.cache, (str, Cache)) and self.cache is not False:
            raise InputError(
                f"Expected `cache` 'auto', 'memory', 'disk', a Cache or False. Received: cache={self.cache!r}."
            )
        self.cache_settings  # noqa: B018  an unknown name is an error now

    @property
    def cache_settings(self) -> Cache | None:
        """The settings that `cache` names; None for no cache."""
        return Cache(self.cache) if isinstance(self.cache, str) else self.cache or None  # type: ignore[return-value]

    @property
    def folder(self) -> Path | None:
        """The folder in which the run is kept; None to keep nothing."""
        return None if self.resume_dir is None else Path(self.resume_dir)

    def new_optimizer(self, model: keras.Model) -> keras.optimizers.Optimizer:
        """Makes an optimizer with the settings of `optimizer` and no state, for a model."""
        return fresh_optimizer(keras.optimizers.get(self.optimizer), model)

    def weights_of(self, labels: np.ndarray) -> dict[int, float] | None:
        """Returns the weight of each class in the loss, for the labels to train on; None where all weigh the same."""
        if self.class_weight is None or isinstance(self.class_weight, dict):
            return self.class_weight
        task = task_of_labels(labels)
        weights = task.balanced_weights(labels)
        if weights is None:
            return None
        counts = np.unique(labels, return_counts=True)[1]
        if self.class_weight == "auto" and max(counts) < _UNEVEN * min(counts):
            return None
        if self.verbose:
            print(f"classes weigh the same in training: they have {min(counts)} to {max(counts)} images")
        return weights


@dataclass(frozen=True, eq=False)
class Objective:
    """What a model is compiled with, as a whole and in parts: its loss and metrics.

    Attributes:
        loss: name or object.
        metrics: those shown beside it.
    """

    loss: str | keras.losses.Loss
    metrics: Sequence[Any]

    @classmethod
    def of(cls, task: Task, options: Options, labels: Any = None) -> Objective:
        """Returns the objective of a task, with the loss and metrics of the options in place of its own."""
        metrics = task.metrics if options.metrics is None else options.metrics
        return cls(options.loss or task.loss(labels), list(metrics))

    def compile(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, steps: int = 1) -> None:
        """Compiles a model, to run a number of steps in one execution."""
        model.compile(optimizer=optimizer, loss=self.loss, metrics=list(self.metrics), steps_per_execution=steps)


def phases_of(
    schedule: str | Schedule | Sequence[Phase] | None,
    epochs: int | None,
    learning_rate: float | None,
    stages: Sequence[str],
) -> tuple[Phase, ...]:
    """Returns the phases of a schedule, with the defaults for what is not given.

    Raises:
        InputError: if the schedule is unknown, or holds what is given as well.
    """
    schedule = SCHEDULE if schedule is None else schedule
    if isinstance(schedule, str) or callable(schedule):
        epochs = EPOCHS if epochs is None else epochs
        learning_rate = LEARNING_RATE if learning_rate is None else learning_rate
    return plan(schedule, epochs, learning_rate, stages)
