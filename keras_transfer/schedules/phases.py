"""Phases: a number of epochs in which the same parts are trained at one learning rate, or a head that is solved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_transfer._arguments import Kind, Number, Whole, takes
from keras_transfer._checks import InputError
from keras_transfer.schedules.parts import HEAD, UNFROZEN, Unfrozen

SOLVE = "solve"


@takes(
    epochs=Whole(1) | Kind(lambda value: isinstance(value, str) and value == SOLVE, repr(SOLVE)),
    unfrozen=UNFROZEN,
    learning_rate=Number(0),
    layer_decay=Number(0, 1, above=True),
)
@dataclass(frozen=True)
class Phase:
    """A number of epochs in which the same parts of a model are open (trained).

    `Phase("solve", "head")` solves a linear head in place of training it: the weights of the smallest loss on the
    training images, with a penalty that cross-validation chooses. It counts as one epoch.

    Attributes:
        epochs: number of epochs, 1 or more; or "solve".
        unfrozen: the open parts: "head"; "all"; a stage name, for this stage and all parts after it; a number, for so
            many last stages and the head; or a tuple of stage names and "head", for exactly these parts.
        learning_rate: learning rate of the head, above 0; not for a head that is solved.
        layer_decay: factor of the learning rate for each stage away from the head, in (0, 1]. The last stage trains at
            `learning_rate * layer_decay`, the one before it at `learning_rate * layer_decay**2`.

    Raises:
        InputError: if a value is out of its range, or another part than the head shall be solved.

    Example:
        >>> [phase.length for phase in (Phase("solve", "head"), Phase(3, 1, 1e-5))]
        [1, 3]
    """

    epochs: int | str
    unfrozen: Unfrozen
    learning_rate: float = 0.0
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        if not self.solves and not self.learning_rate:
            raise InputError(f"Expected a learning rate above 0. Received: {self}.")
        if self.solves and (self.learning_rate or self.unfrozen not in (HEAD, (HEAD,), [HEAD])):
            raise InputError(f"Expected Phase('solve', 'head'): it solves a head, without a rate. Received: {self}.")

    @property
    def solves(self) -> bool:
        """Whether the head is solved, not trained."""
        return self.epochs == SOLVE

    @property
    def length(self) -> int:
        """Number of epochs that it takes up in the History."""
        return 1 if isinstance(self.epochs, str) else self.epochs


def starts(phases: Sequence[Phase]) -> list[int]:
    """Returns the first epoch of each phase, counted from 0, and then the number of all epochs.

    Example:
        >>> starts([Phase(3, "head", 1e-3), Phase(2, "all", 1e-5)])
        [0, 3, 5]
    """
    edges = [0]
    for phase in phases:
        edges.append(edges[-1] + phase.length)
    return edges
