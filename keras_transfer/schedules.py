"""Schedules: which stages learn, for how many epochs, at which rate. Pure data, without Keras.

A schedule is a function `(epochs, learning_rate, stages) -> tuple[Phase, ...]`, or such a tuple written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_transfer._checks import InputError, positive
from keras_transfer._registry import Registry


@dataclass(frozen=True)
class Phase:
    """Some epochs of training with the same open layers.

    Attributes:
        epochs: number of epochs, 1 or more.
        unfrozen: "head", "all", a stage name (open from it to the output) or a number of last stages.
        learning_rate: rate of the head and of the stage nearest to it, above 0.
        layer_decay: factor for each stage further from the head, in (0, 1]. `fine_tune` and `UnfreezeSchedule` take
            only 1 in this version, and say so.

    Raises:
        InputError: if a value is out of its range.
    """

    epochs: int
    unfrozen: str | int
    learning_rate: float
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        positive("epochs", self.epochs, whole=True)
        positive("learning_rate", self.learning_rate)
        positive("layer_decay", self.layer_decay)
        if self.layer_decay > 1:
            raise InputError(f"Expected `layer_decay` in (0, 1]. Received: layer_decay={self.layer_decay!r}.")


Schedule = Callable[[int, float, Sequence[str]], tuple[Phase, ...]]
SCHEDULES: Registry[Schedule] = Registry("schedule")


@SCHEDULES.register("feature_extraction")
def feature_extraction(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head alone.

    Example:
        >>> feature_extraction(5, 1e-3, ["conv1", "conv2"])
        (Phase(epochs=5, unfrozen='head', learning_rate=0.001, layer_decay=1.0),)
    """
    return (Phase(epochs, "head", learning_rate),)


@SCHEDULES.register("fine_tune")
def fine_tune(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head for the first half, then everything at a hundredth of the rate.

    The recipe of Keras' guide "Transfer learning & fine-tuning", https://keras.io/guides/transfer_learning/.
    One epoch alone trains the head.

    Example:
        >>> [(phase.epochs, phase.unfrozen) for phase in fine_tune(5, 1e-3, ["conv1", "conv2"])]
        [(3, 'head'), (2, 'all')]
    """
    shares = _share(epochs, 2)
    return _phases(shares, ["head", "all"], [learning_rate, learning_rate / 100])


@SCHEDULES.register("gradual")
def gradual(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head for the first half, then opens one more stage at a time from the output, three at most.

    Gradual unfreezing of Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018),
    section 3.3, https://arxiv.org/abs/1801.06146. Departures: the head gets half of the epochs and the stages share
    the rest, instead of one epoch each; with three stages at most open the early, general ones stay as they were
    pretrained. The rate falls to a 300th when the first stage opens and by half with each further one: pretrained
    weights need far smaller steps than a new head.

    Example:
        >>> for phase in gradual(9, 3e-3, ["conv1", "conv2", "conv3", "conv4"]):
        ...     print(phase.epochs, phase.unfrozen, f"{phase.learning_rate:.2g}")
        5 head 0.003
        2 1 1e-05
        1 2 5e-06
        1 3 2.5e-06
    """
    head, rest = _share(epochs, 2)
    opened = list(range(1, min(3, len(stages)) + 1))
    rates = [learning_rate, *(learning_rate / 300 / 2**index for index in range(len(opened)))]
    return _phases([head, *_share(rest, len(opened))], ["head", *opened], rates)


def plan(
    schedule: str | Schedule | Sequence[Phase],
    epochs: int | None,
    learning_rate: float | None,
    stages: Sequence[str],
) -> tuple[Phase, ...]:
    """Turns a schedule's name, function or phases into phases.

    Raises:
        InputError: if the name is unknown, or `epochs` or `learning_rate` is missing where a name needs them.
    """
    if not isinstance(schedule, str) and not callable(schedule):
        phases = tuple(schedule)
        if not phases or not all(isinstance(phase, Phase) for phase in phases):
            raise InputError(f"Expected a schedule's name or a sequence of Phase. Received: schedule={schedule!r}.")
        return phases
    make = SCHEDULES.find(schedule)
    if epochs is None or learning_rate is None:
        raise InputError(
            f"Expected `epochs` and `learning_rate` with schedule={schedule!r}. "
            f"Received: epochs={epochs!r}, learning_rate={learning_rate!r}."
        )
    positive("epochs", epochs, whole=True)
    positive("learning_rate", learning_rate)
    return tuple(make(epochs, learning_rate, stages))


def starts(phases: Sequence[Phase]) -> list[int]:
    """Returns the first epoch of each phase, counted from 0, and the end of the last one.

    Example:
        >>> starts([Phase(3, "head", 1e-3), Phase(2, "all", 1e-5)])
        [0, 3, 5]
    """
    edges = [0]
    for phase in phases:
        edges.append(edges[-1] + phase.epochs)
    return edges


def _share(epochs: int, parts: int) -> list[int]:
    """Shares epochs among phases as evenly as can be, the first ones getting the rest."""
    return [epochs // parts + (index < epochs % parts) for index in range(parts)]


def _phases(epochs: Sequence[int], unfrozen: Sequence[str | int], rates: Sequence[float]) -> tuple[Phase, ...]:
    return tuple(Phase(*values) for values in zip(epochs, unfrozen, rates, strict=True) if values[0])
