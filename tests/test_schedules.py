"""Schedules are pure data."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from keras_transfer import InputError, Phase, available
from keras_transfer.schedules.named import SCHEDULES, plan
from keras_transfer.schedules.parts import open_parts
from keras_transfer.schedules.phases import starts
from keras_transfer.schedules.solved_start import from_solved

STAGES = ("a", "b", "c", "d", "e")


@pytest.mark.parametrize("name", available("schedule"))
@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 50])
def test_phases_share_out_all_epochs_and_begin_with_the_head(name, epochs):
    phases = SCHEDULES.find(name)(epochs, 1e-3, STAGES)
    assert sum(phase.length for phase in phases) == (1 if name == "solve" else epochs)
    assert phases[0].unfrozen == "head" and phases[0].learning_rate == (0 if phases[0].solves else 1e-3)
    for phase in phases:
        open_parts(STAGES, phase.unfrozen)
    rates = [phase.learning_rate for phase in phases]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("name", [name for name in available("schedule") if name != "chain_thaw"])
def test_a_stage_that_opened_stays_open(name):
    opened = [set(open_parts(STAGES, phase.unfrozen)) for phase in SCHEDULES.find(name)(20, 1e-3, STAGES)]
    assert all(before < after for before, after in pairwise(opened))


def test_chain_thaw_trains_one_stage_at_a_time_and_everything_last():
    opened = [open_parts(STAGES, phase.unfrozen) for phase in SCHEDULES.find("chain_thaw")(7, 1e-3, STAGES)]
    assert opened == [("head",), ("a",), ("b",), ("c",), ("d",), ("e",), (*STAGES, "head")]


def test_surgical_opens_the_named_stages_alone():
    schedule = partial(SCHEDULES.find("surgical"), only=["b", "d"])
    assert open_parts(STAGES, plan(schedule, 4, 1e-3, STAGES)[1].unfrozen) == ("b", "d", "head")


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


@pytest.mark.parametrize("name", available("schedule"))
def test_any_schedule_can_begin_with_a_solved_head_and_goes_on_as_it_is(name):
    plain = plan(name, 10, 1e-3, STAGES)
    first, *later = plan(from_solved(name), 10, 1e-3, STAGES)
    assert first == Phase("solve", "head") and tuple(later) == plain[1:]


def test_a_schedule_that_does_not_begin_with_the_head_cannot_be_solved_first():
    with pytest.raises(InputError, match="first phase opens the head alone"):
        plan(from_solved(lambda epochs, rate, stages: (Phase(epochs, "all", rate),)), 2, 1e-3, STAGES)
    with pytest.raises(InputError, match="gradual"):
        from_solved("graduall")
