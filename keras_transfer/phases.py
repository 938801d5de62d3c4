"""Phases: some epochs of training with the same open parts, at one rate. Pure data, without Keras.

The parts of a model are the stages of its backbone, input to output, and "head": all that follows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras_transfer._checks import InputError, positive, unknown

HEAD = "head"
Unfrozen = str | int | tuple[str, ...]


@dataclass(frozen=True)
class Phase:
    """Some epochs of training with the same open parts.

    Attributes:
        epochs: number of epochs, 1 or more.
        unfrozen: "head", "all", a stage name (open from it to the output), a number of last stages, or a tuple of
            exactly those parts that are open, stage names and "head".
        learning_rate: rate of the head, above 0.
        layer_decay: factor of the rate for each stage away from the head, in (0, 1]. The last stage learns at
            `learning_rate * layer_decay`, the one before it at `learning_rate * layer_decay**2`.

    Raises:
        InputError: if a value is out of its range.
    """

    epochs: int
    unfrozen: Unfrozen
    learning_rate: float
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        positive("epochs", self.epochs, whole=True)
        positive("learning_rate", self.learning_rate)
        positive("layer_decay", self.layer_decay)
        if self.layer_decay > 1:
            raise InputError(f"Expected `layer_decay` in (0, 1]. Received: layer_decay={self.layer_decay!r}.")


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


def open_parts(stages: Sequence[str], unfrozen: Unfrozen) -> tuple[str, ...]:
    """Names the open parts, input to output.

    Raises:
        InputError: if there is no such part.

    Example:
        >>> open_parts(("conv1", "conv2", "conv3"), 2)
        ('conv2', 'conv3', 'head')
        >>> open_parts(("conv1", "conv2", "conv3"), ("head", "conv1"))
        ('conv1', 'head')
    """
    parts = (*stages, HEAD)
    if isinstance(unfrozen, (tuple, list)):
        for name in unfrozen:
            if name not in parts:
                raise unknown("unfrozen", name, list(parts))
        if not unfrozen:
            raise InputError(f"Expected one part or more of {list(parts)}. Received: unfrozen={unfrozen!r}.")
        return tuple(part for part in parts if part in unfrozen)
    if isinstance(unfrozen, int) and not isinstance(unfrozen, bool):
        if not 0 <= unfrozen <= len(stages):
            raise InputError(
                f"Expected 0 to {len(stages)} last stages of {list(stages)}. Received: unfrozen={unfrozen}."
            )
        return parts[len(stages) - unfrozen :]
    if unfrozen == "all":
        return parts
    if unfrozen not in parts:
        raise unknown("unfrozen", unfrozen, [HEAD, "all", *stages])
    return parts[parts.index(unfrozen) :]


def rate_factor(decay: float, stages: Sequence[str], part: str) -> float:
    """Returns the factor by which a decay by stages slows a part: 1 for the head, less for each stage away from it.

    Example:
        >>> [rate_factor(0.5, ("conv1", "conv2"), part) for part in ("conv1", "conv2", "head")]
        [0.25, 0.5, 1.0]
    """
    parts = (*stages, HEAD)
    return decay ** (len(stages) - parts.index(part))
