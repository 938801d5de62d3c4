"""Parts of a model: the stages of its backbone, from input to output, and "head", all layers after the last stage."""

from __future__ import annotations

from collections.abc import Sequence

from keras_transfer._arguments import Kind, Whole
from keras_transfer._checks import InputError, unknown

HEAD = "head"


Unfrozen = str | int | tuple[str, ...]
UNFROZEN = Whole(0) | Kind(
    lambda value: (
        isinstance(value, str) or (isinstance(value, (tuple, list)) and all(isinstance(x, str) for x in value))
    ),
    "the name of a part, or a tuple of such names",
)


def open_parts(stages: Sequence[str], unfrozen: Unfrozen) -> tuple[str, ...]:
    """Returns the names of the open (trainable) parts, from input to output.

    Args:
        stages: names of the backbone's stages, from input to output.
        unfrozen: "head"; "all"; a stage name, for this stage and all parts after it; a number, for so many last stages
            and the head; or a tuple of stage names and "head", for exactly these parts.

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
    """Returns the factor of a part's learning rate: 1 for the head, times `decay` for each stage away from it.

    Example:
        >>> [rate_factor(0.5, ("conv1", "conv2"), part) for part in ("conv1", "conv2", "head")]
        [0.25, 0.5, 1.0]
    """
    parts = (*stages, HEAD)
    return decay ** (len(stages) - parts.index(part))
