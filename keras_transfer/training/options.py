"""Options: the settings that `fine_tune` and `adapt` share, with their defaults, checked in one place."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import PATH, VERBOSE, Choice, Constraint, Kind, Part, Whole, takes
from keras_transfer._checks import InputError
from keras_transfer._keras.refitting import new_optimizer
from keras_transfer._logging import say
from keras_transfer.caching import Cache
from keras_transfer.models.freezing import BATCH_NORM
from keras_transfer.schedules.named import Schedule, plan
from keras_transfer.schedules.phases import Phase
from keras_transfer.schedules.rates import RATES, Rate
from keras_transfer.tasks import task_of_labels
from keras_transfer.training.averaging import AVERAGE
from keras_transfer.training.balancing import BALANCES, weights_by_number
from keras_transfer.training.penalties import PENALTY, find_penalty

EPOCHS, LEARNING_RATE, SCHEDULE = 10, 3e-3, "gradual"
_UNEVEN = 1.5  # largest class over smallest from which class weights are worth their noise


class _Named(Constraint):
    """An object of Keras, or the name of one."""

    def __init__(self, module: Any, kind: type, words: str):
        parts = vars(module).items()
        functions = {name for name, part in parts if inspect.isfunction(part)} - {"get", "serialize", "deserialize"}
        self.names = tuple(
            sorted(
                functions | {name.lower() for name, part in parts if inspect.isclass(part) and issubclass(part, kind)}
            )
        )
        self._get, self._kind = module.get, kind
        self.words = f"{words}, or its name"

    def accepts(self, value: Any) -> bool:
        if not isinstance(value, str):
            return isinstance(value, self._kind)
        try:
            return self._get(value) is not None
        except ValueError:
            return False


OPTIMIZER = _Named(keras.optimizers, keras.optimizers.Optimizer, "an optimizer of Keras")
_ONE_LOSS = _Named(keras.losses, keras.losses.Loss, "a loss of Keras") | Kind(
    callable, "a function of labels and outputs"
)
LOSS = _ONE_LOSS | Kind(
    lambda value: isinstance(value, (list, tuple)) and len(value) > 0 and all(map(_ONE_LOSS.accepts, value)),
    "a list of losses for parts of examples, which are added",
)
CACHE = Choice("auto", "memory", "disk") | Kind(Cache, "a Cache") | Kind(lambda value: value is False, "False")
CLASS_WEIGHT = Choice("auto", "balanced") | Kind(Mapping, "a mapping from each label to its weight") | None
CALLBACKS = Kind(
    lambda value: isinstance(value, (list, tuple)) and all(isinstance(x, keras.callbacks.Callback) for x in value),
    "a list of Keras callbacks",
)


@takes(
    optimizer=OPTIMIZER,
    loss=LOSS | None,
    metrics=Kind((list, tuple), "a list of metrics") | None,
    callbacks=CALLBACKS,
    class_weight=CLASS_WEIGHT,
    balance=Part(BALANCES) | None,
    rate=Part(RATES) | None,
    penalty=PENALTY | None,
    average=AVERAGE | None,
    patience=Whole(1) | None,
    train_batch_norm=BATCH_NORM,
    cache=CACHE,
    resume_dir=PATH | None,
    verbose=VERBOSE,
)
@dataclass(frozen=True, eq=False)
class Options:
    """Settings of a training; `fine_tune` documents them.

    Raises:
        InputError: if one is unknown or out of range, or two do not go together.
    """

    optimizer: str | keras.optimizers.Optimizer = "adam"
    loss: str | keras.losses.Loss | Sequence[Any] | None = None
    metrics: Sequence[Any] | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    class_weight: str | Mapping[Any, float] | None = "auto"
    balance: str | None = None
    rate: str | Rate | None = "constant"
    penalty: Any = None
    average: int | None = None
    patience: int | None = None
    train_batch_norm: bool | float = False
    cache: str | bool | Cache = "auto"
    resume_dir: str | os.PathLike[str] | None = None
    verbose: str | int = "auto"

    def __post_init__(self) -> None:
        if self.balance is not None and self.class_weight != "auto":
            raise InputError(
                "Expected `balance`, or `class_weight` for weights of your own. "
                f"Received: balance={self.balance!r} with class_weight={self.class_weight!r}."
            )

    @property
    def cache_settings(self) -> Cache | None:
        """The settings that `cache` names; None for no cache."""
        return Cache(self.cache) if isinstance(self.cache, str) else self.cache or None  # type: ignore[return-value]

    @property
    def folder(self) -> Path | None:
        """The folder in which the run is kept; None to keep nothing."""
        return None if self.resume_dir is None else Path(self.resume_dir)

    def settings(self, class_weights: Mapping[int, float] | None) -> dict[str, Any]:
        """Returns the settings that change what is learnt, by their names, for the identity of a run."""
        rate = None if self.rate is None else RATES.find(self.rate)
        named = {name: getattr(self, name) for name in ("patience", "train_batch_norm", "loss", "average", "balance")}
        kept = None if self.penalty is None else find_penalty(self.penalty)
        settings = {"metrics": list(self.metrics or ()), "rate": rate, "class weights": class_weights}
        return {**named, **settings, "penalty": kept}

    def new_optimizer(self, model: keras.Model) -> keras.optimizers.Optimizer:
        """Makes an optimizer with the settings of `optimizer` and no state, for a model."""
        return new_optimizer(keras.optimizers.get(self.optimizer), model)

    def weights_of(
        self, labels: np.ndarray, class_names: Sequence[str], *, drawn_evenly: bool = False
    ) -> dict[int, float] | None:
        """Returns the weight of each class in the loss, for the labels to train on; None where all weigh the same.

        Args:
            labels: of the training images.
            class_names: name of each class.
            drawn_evenly: each class is drawn equally often; see `LabelledData.balanced`.

        Raises:
            InputError: if the classes of the task cannot be weighed, a weight is no number from 0 on, or a class is
                unknown; or if classes were balanced twice.
        """
        if self.balance is not None:
            return BALANCES.find(self.balance).weights(labels)
        if self.class_weight is None or (drawn_evenly and self.class_weight == "auto"):
            return None
        if drawn_evenly and self.class_weight == "balanced":
            raise InputError(
                "Expected data whose classes are not balanced yet. Received: class_weight='balanced' with data that "
                "draws classes equally often. Leave out one of both."
            )
        task = task_of_labels(labels)
        if task.axes and self.class_weight == "auto":
            return None
        weights = task.balanced_weights(labels)
        if weights is None:
            if self.class_weight == "auto":
                return None
            raise InputError(
                f"Expected one class an image, to weigh classes. Received: class_weight={self.class_weight!r} with "
                f"{task.said_of_labels}. Pass a loss that weighs them."
            )
        if not isinstance(self.class_weight, str):
            return weights_by_number(self.class_weight, class_names)
        counts = np.unique(labels[labels >= 0], return_counts=True)[1]
        if self.class_weight == "auto" and max(counts) < _UNEVEN * min(counts):
            return None
        if self.verbose:
            parts = "pixels" if task.axes else "images"
            say(f"classes weigh the same in training: they have {min(counts):,} to {max(counts):,} {parts}")
        return weights


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
    if not isinstance(schedule, (tuple, list)):
        epochs = EPOCHS if epochs is None else epochs
        learning_rate = LEARNING_RATE if learning_rate is None else learning_rate
    return plan(schedule, epochs, learning_rate, stages)
