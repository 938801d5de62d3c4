"""Phases: a number of epochs in which the same parts are trained at one learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_transfer._arguments import Number, Whole, takes
from keras_transfer.schedules.parts import UNFROZEN, Unfrozen


@takes(
    epochs=Whole(1),
    unfrozen=UNFROZEN,
    learning_rate=Number(0, above=True),
    layer_decay=Number(0, 1, above=True),
)
@dataclass(frozen=True)
class Phase:
    """A number of epochs in which the same parts of a model are open (trained).

    Attributes:
        epochs: number of epochs, 1 or more.
        unfrozen: the open parts: "head"; "all"; a stage name, for this stage and all parts after it; a number, for so
            many last stages and the head; or a tuple of stage names and "head", for exactly these parts.
        learning_rate: learning rate of the head, above 0.
        layer_decay: factor of the learning rate for each stage away from the head, in (0, 1]. The last stage trains at
            `learning_rate * layer_decay`, the one before it at `learning_rate * layer_decay**2`.

    Raises:
        InputError: if a value is out of its range.
    """

    epochs: int
    unfrozen: Unfrozen
    learning_rate: float
    layer_decay: float = 1.0


def starts(phases: Sequence[Phase]) -> list[int]:
    """Returns the first epoch of each phase, counted from 0, and then the number of all epochs.

    Example:
        >>> starts([Phase(3, "head", 1e-3), Phase(2, "all", 1e-5)])
        [0, 3, 5]
    """
    edges = [0]
    for phase in phases:
        edges.append(edges[-1] + phase.epochs)
    return edges
