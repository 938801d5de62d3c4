"""Contracts of schedules and rates."""

from __future__ import annotations

import math

from keras_transfer.schedules.named import SCHEDULES, Schedule, plan
from keras_transfer.schedules.parts import open_parts
from keras_transfer.schedules.rates import RATES, Rate
from keras_transfer.testing.contract import require

_STAGES = ("first", "second", "third", "fourth", "fifth")


def check_schedule(schedule: str | Schedule) -> None:
    """Checks the phases that a schedule returns.

    Their epochs must add up to the epochs given, unless the head is solved and nothing trained. The first must have the
    learning rate given, unless it solves the head. They must only open
    parts that exist, and be the same in each call.

    Args:
        schedule: name, or a function `(epochs, learning_rate, stages) -> phases`.

    Raises:
        BrokenContract: if the phases do not meet these conditions.
        InputError: if the name is unknown, or a phase opens a part that does not exist.
    """
    make = SCHEDULES.find(schedule)
    for epochs in (1, 2, 3, 7, 50):
        for stages in (_STAGES, _STAGES[:1]):
            phases = plan(make, epochs, 1e-3, stages)
            total = sum(phase.length for phase in phases)
            trained = [phase for phase in phases if not phase.solves]
            require(total == epochs or not trained, f"phases of {epochs} epochs together", total)
            if trained == list(phases):
                rate = phases[0].learning_rate
                require(rate == 1e-3, "a first phase at the rate that is given", rate)
            for phase in phases:
                open_parts(stages, phase.unfrozen)
            require(make(epochs, 1e-3, stages) == phases, "the same phases each time")


def check_rate(rate: str | Rate) -> None:
    """Checks that a rate is a factor in [0, 1] for each progress in [0, 1), and not always 0.

    Args:
        rate: name, or a function from progress to a factor.

    Raises:
        BrokenContract: if it does not.
        InputError: if the name is unknown.
    """
    function = RATES.find(rate)
    factors = [float(function(step / 200)) for step in range(200)]
    require(all(map(math.isfinite, factors)), "finite factors")
    require(min(factors) >= 0 and max(factors) <= 1, "factors in [0, 1]", (min(factors), max(factors)))
    require(max(factors) > 0, "a factor above 0")
    require(factors == [float(function(step / 200)) for step in range(200)], "the same factor for the same progress")
