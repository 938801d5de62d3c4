"""from_solved: any schedule, begun with a head that is solved."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from keras_transfer._arguments import Part, takes
from keras_transfer._checks import InputError
from keras_transfer.schedules.named import SCHEDULES, Schedule
from keras_transfer.schedules.parts import HEAD
from keras_transfer.schedules.phases import SOLVE, Phase


@takes(schedule=Part(SCHEDULES))
def from_solved(schedule: str | Schedule) -> Schedule:
    """Returns a schedule that solves a linear head where another one trains it first, and then goes on like that one.

    The solution counts as one epoch, and the epochs of the first phase are saved: of ten epochs of `gradual` six are
    left. It takes "LP-FT" at its word (Kumar and others 2022, https://arxiv.org/abs/2202.10054, section 3.4), whose
    head is a logistic regression.

    Args:
        schedule: name in `kt.available("schedule")`, or a function of the same form, whose first phase opens the head
            alone.

    Raises:
        InputError: if the name is unknown. When training begins: if the first phase opens more than the head.

    Example:
        >>> for phase in from_solved("gradual")(10, 3e-3, ["conv1", "conv2", "conv3", "conv4"]):
        ...     print(phase.epochs, phase.unfrozen, f"{phase.learning_rate:.2g}")
        solve head 0
        2 1 1e-05
        2 2 5e-06
        1 3 2.5e-06
    """
    return partial(_begun, SCHEDULES.find(schedule))


def _begun(schedule: Schedule, epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    first, *later = schedule(epochs, learning_rate, stages)
    if first.unfrozen not in (HEAD, (HEAD,)):
        raise InputError(f"Expected a schedule whose first phase opens the head alone. Received: {first}.")
    return (Phase(SOLVE, HEAD), *later)
