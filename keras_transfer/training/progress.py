"""The state of a running schedule, stored in a variable of the optimizer so that both are saved together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras.ops import convert_to_numpy
from keras.optimizers import Optimizer

from keras_transfer._keras.leaves import remove_variable, steps_of
from keras_transfer._keras.refitting import PROGRESS

_NONE = -1
# indices in the variable: then follow the numbers of updates of each part, then the first epoch of each phase
_PHASE, _DUE, _STEPS_BEFORE, _WAITED, _BEST, _UPDATES = range(6)


class Progress:
    """The state of a running schedule, stored in a variable that it adds to an optimizer.

    A callback that saves the optimizer, such as Keras' BackupAndRestore, saves this state too.

    Args:
        optimizer: a built optimizer.
        phases: number of phases of the schedule.
        parts: names of the stages of the model, and "head".
        known: names of the parts that the optimizer has trained since its first step.
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
        """Index of the current phase, counted from 0; None before the first."""
        index = int(self._values[_PHASE])
        return None if index == _NONE else index

    @property
    def due(self) -> int:
        """Index of the phase of the next epoch, if a metric decides when phases begin."""
        return int(self._values[_DUE])

    @property
    def watched(self) -> tuple[int, float] | None:
        """(number of epochs without improvement, best value) of the monitored metric; None before its first value."""
        waited, best = self._values[[_WAITED, _BEST]]
        return None if np.isnan(best) else (int(waited), float(best))

    @property
    def began(self) -> list[int]:
        """Epoch, counted from 0, at which each phase so far began."""
        return [int(epoch) for epoch in self._values[self._epochs :] if epoch != _NONE]

    @property
    def trained(self) -> set[str]:
        """Names of the parts that the optimizer has updated at least once."""
        updates = self._values[_UPDATES : self._epochs]
        running = self._open if self._steps > self._values[_STEPS_BEFORE] else ()
        return {part for part, count in zip(self._parts, updates, strict=True) if count} | set(running)

    def remove(self) -> None:
        """Removes the variable from the optimizer."""
        if vars(self._optimizer).pop(PROGRESS, None) is self:
            remove_variable(self._optimizer, self._variable)

    def enter(self, phase: int, epoch: int, open_before: Sequence[str]) -> None:
        """Records the start of a phase. The steps of the previous phase are added to the updates of its open parts.

        Args:
            phase: index of the phase.
            epoch: the current epoch, counted from 0.
            open_before: names of the parts that were open until now.
        """
        values, steps = self._values, self._steps
        for part in open_before:
            values[self._place(part)] += steps - values[_STEPS_BEFORE]
        values[[_PHASE, _DUE, _STEPS_BEFORE]] = phase, phase, steps
        values[self._epochs + phase] = epoch
        self._variable.assign(values)

    def opened(self, parts: Sequence[str]) -> None:
        """Stores the names of the parts that are open now."""
        self._open = tuple(parts)

    def watch(self, due: int, waited: int, best: float | None) -> None:
        """Records the state of the monitored metric after an epoch.

        Args:
            due: index of the phase of the next epoch.
            waited: number of epochs without improvement.
            best: best value so far; None if there is none.
        """
        values = self._values
        values[[_DUE, _WAITED, _BEST]] = due, waited, np.nan if best is None else best
        self._variable.assign(values)

    def late_by(self, part: str) -> int:
        """Returns how many steps before the current phase the optimizer made without updating a part."""
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
