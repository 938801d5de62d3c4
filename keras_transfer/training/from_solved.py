"""What recipes have in common: phases that begin at a solved head and end with the best model between both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._logging import say
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.insight.calibration import FEW, calibrate
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.models.copies import copy_model
from keras_transfer.schedules.parts import HEAD
from keras_transfer.schedules.phases import SOLVE, Phase
from keras_transfer.tasks import TASKS, Regression
from keras_transfer.training import blending
from keras_transfer.training.solving import can_solve

Tune = Callable[..., keras.callbacks.History]


def from_solved(
    model: keras.Model,
    data: LabelledData,
    tune: Tune,
    verbose: str | int,
    phases: Sequence[Phase],
    seen: LabelledData,
    solved: list[np.ndarray] | None = None,
    rate: str = "warmup_cosine",
) -> tuple[keras.callbacks.History, list[np.ndarray] | None]:
    """Trains phases from the solved head, and gives the model the best weights between both.

    Args:
        model: which has the solved head already, if `solved` is given.
        data: to choose by.
        tune: trains.
        verbose: 0 to say nothing.
        phases: that follow the solved head.
        seen: data to train on.
        solved: the weights with the solved head; None to solve it.
        rate: how the learning rate changes within a phase.

    Returns:
        The History, and the weights with the solved head; None where there are too few images to choose by.
    """
    ends = _FirstAndLast()
    start = () if solved is not None else (Phase(SOLVE, HEAD),)
    history = tune(schedule=(*start, *phases), rate=rate, callbacks=[ends], data=seen)
    if not can_choose(data):
        return history, None
    before, after = copy_model(model), copy_model(model)
    before.set_weights(ends.first if solved is None else solved)
    after.set_weights(ends.last)
    between = blending.interpolate(before, after, data, verbose=verbose)
    loss, best_epoch = (blending.loss_of(evaluate(each, data.validation)) for each in (between, model))
    if loss < best_epoch:
        model.set_weights(between.get_weights())
    return history, before.get_weights()


def can_choose(data: LabelledData) -> bool:
    return len(data.splits.get("validation", ())) >= blending.FEW


def solves(model: keras.Model, verbose: str | int) -> bool:
    """Says whether the head can be solved, and that it is trained where it cannot."""
    solves = can_solve(model)
    if verbose and not solves:
        say("recipe: the head is not linear in the features, so it is trained in place of solved")
    return solves


class _FirstAndLast(keras.callbacks.Callback):
    """Keeps the weights after the first and after the last epoch, also for a run that goes on later."""

    memory = ("first", "last")

    def __init__(self) -> None:
        super().__init__()
        self.first: list[np.ndarray] = []
        self.last: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.last = self.model.get_weights()
        self.first = self.first or self.last


def calibrated(model: keras.Model, data: LabelledData, verbose: str | int) -> None:
    """Calibrates a model where that has a meaning, or says why it does not."""
    if data.task is TASKS.find(Regression.name) or "validation" not in data.splits:
        return
    count = len(data.splits["validation"])
    try:
        if count < FEW:
            raise InputError(f"{count} validation images are too few.")
        found = calibrate(model, data)
    except InputError as error:
        said = f"probabilities are not calibrated. {error}"
    else:
        said = str(found).splitlines()[0]
    if verbose:
        say(f"recipe: {said}")
