"""The errors and warnings that are about what the user passed, and the sentences they speak."""

from __future__ import annotations

import math
from difflib import get_close_matches


class InputError(ValueError):
    """Something the user passed cannot work; the message says what was expected, what came, and how to mend it.

    The shell prints it without a traceback and exits with code 2.
    """


class DataWarning(UserWarning):
    """Something about the user's data that training works around, and they should know."""


def unknown(what: str, received: object, expected: list[str]) -> InputError:
    """Describes a name that is not among the expected ones, with the nearest one if there is any.

    Example:
        >>> print(unknown("head", "liner", ["linear", "mlp"]))
        Unknown head. Expected one of ['linear', 'mlp']. Received: head='liner'. Did you mean 'linear'?
    """
    message = f"Unknown {what}. Expected one of {expected}. Received: {what.replace(' ', '_')}={received!r}."
    lowered = {name.lower(): name for name in expected}
    close = get_close_matches(str(received).lower(), lowered, n=1)
    return InputError(message + (f" Did you mean {lowered[close[0]]!r}?" if close else ""))


def positive(what: str, value: object, *, whole: bool = False) -> None:
    """Raises InputError unless `value` is a finite number above zero (a whole one if asked)."""
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 < value < math.inf:
        number = "a whole number" if whole else "a number"
        raise InputError(f"Expected `{what}` to be {number} above 0. Received: {what}={value!r}.")
