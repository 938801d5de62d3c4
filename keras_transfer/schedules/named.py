"""The named schedules, and `plan`, which turns any form of a schedule into phases.

A schedule is a function `(epochs, learning_rate, stages) -> tuple[Phase, ...]`, or such a tuple written by hand. All
functions here take the number of epochs of all phases together, the learning rate of the first phase, and the names of
the backbone's stages from input to output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras_transfer._arguments import Number, Whole
from keras_transfer._checks import InputError
from keras_transfer._registry import Registry
from keras_transfer.schedules.parts import HEAD, Unfrozen
from keras_transfer.schedules.phases import SOLVE, Phase

Schedule = Callable[[int, float, Sequence[str]], tuple[Phase, ...]]
SCHEDULES: Registry[Schedule] = Registry(
    "schedule", callable, "a function (epochs, learning_rate, stages) -> phases, or phases"
)


@SCHEDULES.register("feature_extraction")
def feature_extraction(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains only the head.

    Example:
        >>> feature_extraction(5, 1e-3, ["conv1", "conv2"])
        (Phase(epochs=5, unfrozen='head', learning_rate=0.001, layer_decay=1.0),)
    """
    return (Phase(epochs, HEAD, learning_rate),)


@SCHEDULES.register("solve")
def solve(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Solves a linear head, and trains nothing else. It counts as one epoch; the arguments are not used.

    Example:
        >>> solve(5, 1e-3, ["conv1", "conv2"])[0].solves
        True
    """
    return (Phase(SOLVE, HEAD),)


@SCHEDULES.register("fine_tune")
def fine_tune(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head for the first half of the epochs, then everything at a hundredth of the learning rate.

    The recipe of Keras' guide "Transfer learning & fine-tuning", https://keras.io/guides/transfer_learning/.
    If there is only one epoch, it trains the head.

    Example:
        >>> [(phase.epochs, phase.unfrozen) for phase in fine_tune(5, 1e-3, ["conv1", "conv2"])]
        [(3, 'head'), (2, 'all')]
    """
    shares = _share(epochs, 2)
    return _phases(shares, [HEAD, "all"], [learning_rate, learning_rate / 100])


@SCHEDULES.register("gradual")
def gradual(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head for the first half of the epochs, then opens up to three stages, one by one from the output.

    Gradual unfreezing of Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018),
    section 3.3, https://arxiv.org/abs/1801.06146. Departures: the head gets half of the epochs and the stages share
    the rest, instead of one epoch each; and at most three stages are opened, so that the early, more general stages
    keep their pretrained weights. The learning rate is divided by 300 when the first stage opens, and by 2 with each
    further stage, because pretrained weights need much smaller steps than a new head.

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


@SCHEDULES.register("ulmfit")
def ulmfit(epochs: int, learning_rate: float, stages: Sequence[str], *, decay: float = 2.6) -> tuple[Phase, ...]:
    """Trains the head for an epoch, then one more stage in each epoch, and all in those that are left.

    Each stage trains at the rate of the one after it, divided by `decay`. Howard and Ruder, "Universal Language Model
    Fine-tuning for Text Classification" (2018), sections 3.2 and 3.3, https://arxiv.org/abs/1801.06146. Their rate is
    `rate="slanted_triangular"`; here it rises and falls in each phase, since the paper's one triangle over all epochs
    is at its peak before most stages are open. With fewer epochs than stages the first stages stay as they are.

    Example:
        >>> [(phase.epochs, phase.unfrozen) for phase in ulmfit(5, 1e-3, ["block1", "block2"])]
        [(1, 'head'), (1, 1), (3, 2)]
    """
    opened = list(range(1, len(stages) + 1))[: max(epochs - 1, 0)]
    steps: list[Unfrozen] = [HEAD, *opened]
    lengths = [1] * len(steps)
    lengths[-1] += epochs - len(steps)
    factor = 1 / Number(1)("decay", decay)
    return tuple(Phase(length, step, learning_rate, factor) for length, step in zip(lengths, steps, strict=True))


@SCHEDULES.register("last_n")
def last_n(epochs: int, learning_rate: float, stages: Sequence[str], *, n: int = 1) -> tuple[Phase, ...]:
    """Trains the head for the first half of the epochs, then head and last `n` stages at a hundredth of the rate.

    Which layers are specific to the original task was measured by Yosinski and others, "How transferable are features
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
    """Trains the head for the first half of the epochs, then the head and chosen stages at a hundredth of the rate.

    Lee and others, "Surgical Fine-Tuning Improves Adaptation to Distribution Shifts" (2023), section 2,
    https://arxiv.org/abs/2210.11466. They choose the first stage if pictures look different (another camera, noise), a
    middle stage for other subtypes of the same classes, and the last stage for other labels. Departure: the new head is
    trained first. `only` names the stages, by default the first one; `functools.partial(surgical, only=["conv3"])`
    chooses others.

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
    """Trains the head for the first half of the epochs, then everything at `fine_tuning_rate`.

    If `learning_rate` is smaller than `fine_tuning_rate`, it is used throughout.

    LP-FT of Kumar and others, "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution"
    (2022), section 3.4, https://arxiv.org/abs/2202.10054. The paper tries 3e-5, 1e-4, 3e-4, 1e-3, 3e-3 and 1e-2 with
    SGD, momentum 0.9 and cosine decay, in batches of 64; the smallest is the default here. Departures: the optimizer
    trains the head, which in the paper is a logistic regression solved exactly; and the rate is constant in a phase,
    unless `fine_tune` gets another `rate`.

    Example:
        >>> [(phase.unfrozen, phase.learning_rate) for phase in linear_probe_then_fine_tune(4, 1e-3, ["conv1"])]
        [('head', 0.001), ('all', 3e-05)]
    """
    return _phases(_share(epochs, 2), [HEAD, "all"], [learning_rate, min(fine_tuning_rate, learning_rate)])


@SCHEDULES.register("chain_thaw")
def chain_thaw(epochs: int, learning_rate: float, stages: Sequence[str]) -> tuple[Phase, ...]:
    """Trains the head, then each stage alone, from input to output, then everything.

    Felbo and others, "Using millions of emoji occurrences to learn any-domain representations for detecting sentiment,
    emotion and sarcasm" (2017), section 3.3, https://arxiv.org/abs/1708.00524. Departures: stages instead of layers; a
    fixed share of the epochs for each step, instead of early stopping; and a hundredth of the learning rate after the
    head. If there are fewer epochs than steps, the last steps are left out.

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
    """Returns the phases of a schedule.

    Args:
        schedule: name of a schedule, a function, or phases.
        epochs: number of epochs of all phases together; None with phases.
        learning_rate: learning rate of the first phase; None with phases.
        stages: names of the backbone's stages, from input to output.

    Raises:
        InputError: if the name is unknown, `epochs` or `learning_rate` is missing with a name or function or given with
            phases, or the result is not a sequence of phases.
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
    """Divides epochs among `parts` phases as evenly as possible. The first phases get one more if there is a rest."""
    return [epochs // parts + (index < epochs % parts) for index in range(parts)]


def _phases(epochs: Sequence[int], unfrozen: Sequence[Unfrozen], rates: Sequence[float]) -> tuple[Phase, ...]:
    return tuple(Phase(*values) for values in zip(epochs, unfrozen, rates, strict=True) if values[0])
