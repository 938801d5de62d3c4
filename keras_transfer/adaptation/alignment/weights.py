"""The weight of a method's loss beside the task's."""

from __future__ import annotations

from keras_transfer._checks import InputError


def check_weight(weight: float) -> None:
    """Raises InputError unless a weight is a number, 0 or more."""
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight < float("inf"):
        raise InputError(f"Expected `weight` to be a number, 0 or more. Received: weight={weight!r}.")
