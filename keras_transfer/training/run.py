"""Training: runs all phases of a schedule, with callbacks for the order of images, the best epoch and resuming."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras.callbacks import Callback, CallbackList

from keras_transfer._keras.leaves import leaves
from keras_transfer._keras.refitting import fit_optimizer
from keras_transfer._logging import say
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.notes import note_changed
from keras_transfer.schedules.phases import Phase, starts
from keras_transfer.training.objective import Objective
from keras_transfer.training.resuming import Resume
from keras_transfer.training.segments import Segment, Solve, SolvedSegment, fit_segments
from keras_transfer.training.unfreezing import UnfreezeSchedule


@dataclass(eq=False)
class Training:
    """One training of a compiled model, in which its callbacks see continuous epochs.

    Attributes:
        model: the whole model.
        data: of which files that change meanwhile are noted.
        phases: of the schedule.
        unfreeze: which follows them.
        own: callbacks that make the training what it is, `unfreeze` among them, in order, before those of the user.
        callbacks: those of the user, which have nothing to note where a finished run is given once more.
        objective: loss and metrics, of the whole and of its parts.
        class_weight: as in `fit`.
        verbose: as in `fit`.
        solve: solves the head, in phases that do.
        history: of all phases.
    """

    model: keras.Model
    data: Sequence[LabelledData]
    phases: Sequence[Phase]
    unfreeze: UnfreezeSchedule
    own: list[Callback]
    callbacks: Sequence[Callback]
    objective: Objective
    class_weight: dict[int, float] | None = None
    verbose: str | int = "auto"
    solve: Solve | None = None
    history: keras.callbacks.History = field(default_factory=keras.callbacks.History)

    def _compile_part(self, part: keras.Model, steps: int) -> None:
        self.objective.compile(part, self.model.optimizer, steps)

    def every(self) -> list[Callback]:
        """Returns all callbacks in their order, the History last."""
        return [*self.own, *self.callbacks, self.history]

    def run(
        self, plan: Callable[[int], Sequence[Segment | SolvedSegment]], steps: int, resume: Resume | None = None
    ) -> keras.callbacks.History:
        """Trains by the segments that `plan` gives for the first epoch, counted from 0, and returns the History.

        Args:
            plan: see `plan_segments`.
            steps: batches in an epoch.
            resume: what is kept of the run, made for `every()`; None to keep nothing.
        """
        with resume.held() if resume is not None else nullcontext():
            return self._run(plan, steps, resume)

    def _run(
        self, plan: Callable[[int], Sequence[Segment | SolvedSegment]], steps: int, resume: Resume | None
    ) -> keras.callbacks.History:
        every, first = self.every(), 0
        total = starts(self.phases)[-1]
        if resume is not None:
            first = total if resume.finished else resume.epoch
            if first and self.verbose:
                state = "finished" if resume.finished else "going on"
                say(f"{resume.folder}: {state} after epoch {resume.epoch}")
            if resume.finished:
                every = [own for own in every if own not in self.callbacks]  # nothing happens that they could note
            every.append(resume)
        try:
            together = CallbackList(
                every,
                add_progbar=bool(self.verbose),
                model=self.model,
                verbose=self.verbose,
                epochs=total,
                steps=steps,
            )
            fit_segments(
                self.model,
                plan(first),
                together,
                first=first,
                compile_part=self._compile_part,
                class_weight=self.class_weight,
                solve=self.solve,
            )
        finally:
            for data in self.data:
                note_changed(data)
            if self.unfreeze.phases:
                fit_optimizer(self.model)  # also when it is interrupted: the model can be saved, and trained on
        self.model.history = self.history
        self.history.boundaries = self.unfreeze.began[1:]
        self.history.phases = self.unfreeze.phases
        return self.history


class EpochOrder(keras.callbacks.Callback):
    """Ties order and augmentation of the data to the epoch's number."""

    def __init__(self, data: LabelledData):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.data.start_epoch(epoch)


class BestEpoch(keras.callbacks.EarlyStopping):
    """Ends with the weights of the best epoch, of which it keeps those alone that training changes.

    Args:
        part: of the model, with all of the weights that any phase changes.
        patience: epochs without a better one.
        monitor: what tells it: the lower the better, or with `mode` "max" the higher.
    """

    def __init__(self, part: keras.Model, patience: int, monitor: str = "val_loss", mode: str = "auto"):
        super().__init__(monitor, patience=patience, mode=mode, restore_best_weights=True)
        self._part = part

    def set_model(self, model: keras.Model) -> None:
        super().set_model(self._part)
        self._whole = model

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not np.isfinite((logs or {}).get(self.monitor, 0.0)):
            return  # Keras would take the first epoch for the best one, whatever its value
        self._part.stop_training = False
        super().on_epoch_end(epoch, logs)
        self._whole.stop_training |= self._part.stop_training


def averaging(model: keras.Model) -> list[Callback]:
    """Returns callbacks that validate a compiled model with the averages of its weights, if its optimizer keeps any."""
    if any(leaf.use_ema for leaf in leaves(model.optimizer)):
        return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]
    return []
