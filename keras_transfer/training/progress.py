"""How far a schedule has come, kept in a variable of the optimizer so that it is saved and restored with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras.ops import convert_to_numpy
from keras.optimizers import Optimizer

from keras_transfer._keras.leaves import remove_variable, steps_of
from keras_transfer._keras.refitting import PROGRESS

_NONE = -1
# places in the variable: after these come the updates of each part, then the first epoch of each phase
_PHASE, _DUE, _STEPS_BEFORE, _WAITED, _BEST, _UPDATES = range(6)


class Progress:
    """State of a running schedule. Whatever saves the optimizer, such as Keras' BackupAndRestore, saves it too.

    Args:
        optimizer: built; gets one more variable.
        phases: number of phases of the schedule.
        parts: stages and head of the model.
        known: those of them that the optimizer has trained from its first step on.
    """

    def __init__(self, optimizer: Optimizer, phases: int, parts: Sequence[str], known: Sequence[str]):
        self._optimizer = optimizer
        self._parts = tuple(parts)
        updates = [self._steps if part in known else 0 for part in parts]
        values = [_NONE, 0, 0, 0, np.nan, *updates, *[_NONE] * phases]
        self._variable = optimizer.add_variable((len(values),), dtype="float64", name="unfreeze_progress")
        self._variable.assign(values)
        self._open: tuple[str, ...] = ()
        vars(optimizer)[PROGRESS] = self

    @property
    def phase(self) -> int | None:
        """Number of the phase that runs, None before the first."""
        index = int(self._values[_PHASE])
        return None if index == _NONE else index

    @property
    def due(self) -> int:
        """Number of the phase that the next epoch belongs to, where phases follow a metric."""
        return int(self._values[_DUE])

    @property
    def watched(self) -> tuple[int, float] | None:
        """Epochs without improvement of the watched metric, and its best value; None before there is one."""
        waited, best = self._values[[_WAITED, _BEST]]
        return None if np.isnan(best) else (int(waited), float(best))

    @property
    def began(self) -> list[int]:
        """Epoch, counted from 0, at which each phase so far began."""
        return [int(epoch) for epoch in self._values[self._epochs :] if epoch != _NONE]

    @property
    def trained(self) -> set[str]:
        """Parts that have been updated at least once."""
        updates = self._values[_UPDATES : self._epochs]
        running = self._open if self._steps > self._values[_STEPS_BEFORE] else ()
        return {part for part, count in zip(self._parts, updates, strict=True) if count} | set(running)

    def remove(self) -> None:
        """Takes the variable out of the optimizer again."""
        if vars(self._optimizer).pop(PROGRESS, None) is self:
            remove_variable(self._optimizer, self._variable)

    def enter(self, phase: int, epoch: int, open_before: Sequence[str]) -> None:
        """Notes that a phase begins now, and that the parts open until now have been updated."""
        values, steps = self._values, self._steps
        for part in open_before:
            values[self._place(part)] += steps - values[_STEPS_BEFORE]
        values[[_PHASE, _DUE, _STEPS_BEFORE]] = phase, phase, steps
        values[self._epochs + phase] = epoch
        self._variable.assign(values)

    def opened(self, parts: Sequence[str]) -> None:
        """Notes which parts are open now."""
        self._open = tuple(parts)

    def watch(self, due: int, waited: int, best: float | None) -> None:
        """Notes what the watched metric did in an epoch."""
        values = self._values
        values[[_DUE, _WAITED, _BEST]] = due, waited, np.nan if best is None else best
        self._variable.assign(values)

    def late_by(self, part: str) -> int:
        """Returns the number of steps that the optimizer made without a part, when the running phase began."""
        values = self._values
        return int(values[_STEPS_BEFORE] - values[self._place(part)])

    def _place(self, part: str) -> int:
        return _UPDATES + self._parts.index(part)

    @property
    def _epochs(self) -> int:
        return _UPDATES + len(self._parts)

    @property
    def _steps(self) -> int:
        return steps_of(self._optimizer)

    @property
    def _values(self) -> np.ndarray:
        return np.array(convert_to_numpy(self._variable))
