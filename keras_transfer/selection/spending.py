"""Spending: the seconds of a search, what a trial will take of them, and the callback that ends it in time."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import keras

_LOADING = 8.0  # seconds of a trial besides its passes: building and tracing


class OutOfTime(Exception):
    """The budget is spent."""


class Clock:
    """The seconds of a search.

    Args:
        budget: seconds in all.
        spent: of them before, in processes that ended.
    """

    def __init__(self, budget: float, spent: float = 0.0):
        self.budget, self._begun = budget, perf_counter() - spent
        self._factor = 1.0  # by which trials take longer than was thought

    @property
    def spent(self) -> float:
        """Seconds that are spent."""
        return perf_counter() - self._begun

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.budget - self.spent

    def expected(self, passes: float, one_pass: float) -> float:
        """Returns the seconds that a trial will take about."""
        return (_LOADING + passes * one_pass) * self._factor

    def learn(self, passes: float, one_pass: float, seconds: float) -> None:
        """Corrects what is expected by what a trial took."""
        known = seconds / (_LOADING + passes * one_pass)
        self._factor = 0.5 * self._factor + 0.5 * known


class Guard(keras.callbacks.Callback):
    """Ends a trial when the budget is spent, or when it has fallen behind others.

    Args:
        clock: of the search.
        trial: of Optuna; None for one that is not compared while it trains.
    """

    def __init__(self, clock: Clock, trial: Any = None):
        super().__init__()
        self._clock, self._trial = clock, trial

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._clock.left < 0:
            raise OutOfTime

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("val_loss")
        if self._trial is None or loss is None:
            return
        import optuna

        self._trial.report(float(loss), epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned
