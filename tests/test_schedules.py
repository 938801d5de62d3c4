"""Schedules are pure data."""

from __future__ import annotations

import pytest

from keras_transfer import InputError, Phase, available
from keras_transfer.schedules import SCHEDULES, plan, starts

STAGES = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize("name", available("schedule"))
@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 50])
def test_phases_share_out_all_epochs_and_never_close_a_stage(name, epochs):
    phases = SCHEDULES.find(name)(epochs, 1e-3, STAGES)
    assert sum(phase.epochs for phase in phases) == epochs
    assert phases[0].unfrozen == "head" and phases[0].learning_rate == 1e-3
    opened = [0 if phase.unfrozen == "head" else 99 if phase.unfrozen == "all" else phase.unfrozen for phase in phases]
    assert opened == sorted(set(opened))
    rates = [phase.learning_rate for phase in phases]
    assert rates == sorted(rates, reverse=True)


def test_a_schedule_may_be_a_function_or_phases():
    phases = (Phase(2, "head", 1e-3), Phase(1, "all", 1e-5))
    assert plan(phases, None, None, STAGES) == phases
    assert plan(lambda epochs, rate, stages: [Phase(epochs, len(stages), rate)], 4, 0.1, STAGES) == (Phase(4, 5, 0.1),)
    assert starts(phases) == [0, 2, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gradul", 3, 1e-3), "Did you mean 'gradual'"),
        (("gradual", None, 1e-3), "Expected `epochs` and `learning_rate`"),
        (("gradual", 0, 1e-3), "`epochs` to be a whole number above 0"),
        (("gradual", 3, -1.0), "`learning_rate` to be a number above 0"),
        (((), None, None), "a schedule's name or a sequence of Phase"),
        ((["head"], None, None), "a schedule's name or a sequence of Phase"),
    ],
)
def test_wrong_schedules_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        plan(*arguments, STAGES)


@pytest.mark.parametrize("change", [{"epochs": 1.5}, {"learning_rate": 0}, {"layer_decay": 0}, {"layer_decay": 1.1}])
def test_wrong_phases_are_refused(change):
    with pytest.raises(InputError):
        Phase(**{"epochs": 1, "unfrozen": "head", "learning_rate": 1e-3, **change})
