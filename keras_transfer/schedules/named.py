"""Schedules: which stages learn, for how many epochs, at which rate. Pure data, without Keras.

A schedule is a function `(epochs, learning_rate, stages) -> tuple[Phase, ...]`, or such a tuple written by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras_transfer._arguments import Number, Whole
from keras_transfer._checks import InputError
from keras_transfer._registry import Registry
from keras_transfer.schedules.parts import HEAD, Unfrozen
from keras_transfer.schedules.phases import Phase

Schedule = Callable[[int, float, Sequence[str]], tuple[Phase, ...]]
SCHEDULES: Registry[Schedule] = Registry(
    "schedule", callable, "a function (epochs, learning_rate, stages) -> phases, or phases"
)


@SCHEDULES.register("feature_extraction")
def feature_extraction(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head alone.

    Example:
        >>> feature_extraction(5, 1e-3, ["conv1", "conv2"])
        (Phase(epochs=5, unfrozen='head', learning_rate=0.001, layer_decay=1.0),)
    """
    return (Phase(epochs, HEAD, learning_rate),)


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
    return _phases(shares, [HEAD, "all"], [learning_rate, learning_rate / 100])


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
    return _phases([head, *_share(rest, len(opened))], [HEAD, *opened], rates)


@SCHEDULES.register("last_n")
def last_n(epochs: int, learning_rate: float, stages: Sequence[str], *, n: int = 1) -> tuple[Phase, ...]:
    """Trains the head for the first half, then with it the last `n` stages at a hundredth of the rate.

    How far from the output features are specific to the old task: Yosinski and others, "How transferable are features
    in deep neural networks?" (2014), section 4, https://arxiv.org/abs/1411.1792.

    Example:
        >>> [(phase.epochs, phase.unfrozen) for phase in last_n(5, 1e-3, ["conv1", "conv2", "conv3"], n=2)]
        [(3, 'head'), (2, 2)]
    """
    n = Whole(1)("n", n)
    return _phases(_share(epochs, 2), [HEAD, min(n, len(stages))], [learning_rate, learning_rate / 100])


@SCHEDULES.register("surgical")
def surgical(
    epochs: int, learning_rate: float, stages: Sequence[str], *, only: Sequence[str] | None = None
) -> tuple[Phase, ...]:
    """Trains the head for the first half, then with it the named stages alone, at a hundredth of the rate.

    Lee and others, "Surgical Fine-Tuning Improves Adaptation to Distribution Shifts" (2023), section 2,
    https://arxiv.org/abs/2210.11466: the first stage for pictures that look different (another camera, noise), a
    middle one for other kinds of the same things, the last one for other labels. Departure: a new head has to learn
    first. `only` is the first stage by default; `functools.partial(surgical, only=["conv3"])` names others.

    Example:
        >>> [(phase.epochs, phase.unfrozen) for phase in surgical(4, 1e-3, ["conv1", "conv2"])]
        [(2, 'head'), (2, ('conv1', 'head'))]
    """
    named = tuple(only) if only is not None else (stages[0],)
    return _phases(_share(epochs, 2), [HEAD, (*named, HEAD)], [learning_rate, learning_rate / 100])


@SCHEDULES.register("linear_probe_then_fine_tune")
def linear_probe_then_fine_tune(
    epochs: int, learning_rate: float, stages: Sequence[str], *, fine_tuning_rate: float = 3e-5
) -> tuple[Phase, ...]:
    """Trains the head for the first half, then everything at a rate that does not depend on the head's.

    LP-FT of Kumar and others, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution"
    (2022), section 3.4, https://arxiv.org/abs/2202.10054. The paper tries 3e-5, 1e-4, 3e-4, 1e-3, 3e-3 and 1e-2 with
    SGD, momentum 0.9 and a cosine, in batches of 64; the smallest is the default here. Departures: the head is trained
    by the optimizer, not solved as a logistic regression, and the rate stays constant unless `rate` says otherwise.

    Example:
        >>> [(phase.unfrozen, phase.learning_rate) for phase in linear_probe_then_fine_tune(4, 1e-3, ["conv1"])]
        [('head', 0.001), ('all', 3e-05)]
    """
    return _phases(_share(epochs, 2), [HEAD, "all"], [learning_rate, min(fine_tuning_rate, learning_rate)])


@SCHEDULES.register("chain_thaw")
def chain_thaw(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head, then each stage alone from the input on, then everything.

    Felbo and others, "Using millions of emoji occurrences to learn any-domain representations for detecting sentiment,
    emotion and sarcasm" (2017), section 3.3, https://arxiv.org/abs/1708.00524. Departures: stages for layers, a share
    of the epochs for early stopping in each step, and a hundredth of the rate after the head. With fewer epochs than
    steps the last steps are left out.

    Example:
        >>> [phase.unfrozen for phase in chain_thaw(4, 1e-3, ["conv1", "conv2"])]
        ['head', ('conv1',), ('conv2',), 'all']
    """
    steps: list[Unfrozen] = [HEAD, *((stage,) for stage in stages), "all"]
    rates = [learning_rate, *(learning_rate / 100 for _ in steps[1:])]
    return _phases(_share(epochs, len(steps)), steps, rates)


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
    if not isinstance(schedule, (tuple, list)):
        make = SCHEDULES.find(schedule)  # type: ignore[arg-type]
        if epochs is None or learning_rate is None:
            raise InputError(
                f"Expected `epochs` and `learning_rate` with schedule={schedule!r}. "
                f"Received: epochs={epochs!r}, learning_rate={learning_rate!r}."
            )
        epochs, learning_rate = Whole(1)("epochs", epochs), Number(0, above=True)("learning_rate", learning_rate)
        phases = tuple(make(epochs, learning_rate, stages))
    else:
        phases = tuple(schedule)
        if epochs is not None or learning_rate is not None:
            raise InputError(
                "Expected no `epochs` and `learning_rate` with a tuple of Phase, which holds them. "
                f"Received: epochs={epochs!r}, learning_rate={learning_rate!r}."
            )
    if not phases or not all(isinstance(phase, Phase) for phase in phases):
        raise InputError(
            f"Expected a schedule's name or a sequence of Phase, or a function that gives one. Received: {schedule!r}."
        )
    return phases


def _share(epochs: int, parts: int) -> list[int]:
    """Shares epochs among phases as evenly as can be, the first ones getting the rest."""
    return [epochs // parts + (index < epochs % parts) for index in range(parts)]


def _phases(epochs: Sequence[int], unfrozen: Sequence[Unfrozen], rates: Sequence[float]) -> tuple[Phase, ...]:
    return tuple(Phase(*values) for values in zip(epochs, unfrozen, rates, strict=True) if values[0])
