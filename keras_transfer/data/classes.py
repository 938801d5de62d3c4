"""Classes: how their names are written, and the one order that they have in every source."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from keras_transfer._checks import DataError, InputError


def written(name: str) -> str:
    """Returns the one way in which the name of a class is written: in Unicode's form NFC, without blanks at its ends.

    Example:
        >>> written("cafe\\u0301 ") == "caf\\u00e9"
        True
    """
    return unicodedata.normalize("NFC", name).strip()


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Returns each name once, in the order that classes have.

    It is the order of their values if all of them are whole numbers, and otherwise that of their characters, as in
    Keras and in `sorted`.

    Example:
        >>> ordered(["10", "9", "1"]), ordered(["b10", "b9", "a"])
        (('1', '9', '10'), ('a', 'b10', 'b9'))
    """
    found = sorted(set(names))
    return tuple(sorted(found, key=int) if all(name.isdecimal() for name in found) else found)


def with_units(names: Sequence[str], units: Mapping[str, str] | Sequence[str] | None) -> tuple[str, ...]:
    """Returns names of values with their units in brackets, such as "age [years]".

    Args:
        names: of the values.
        units: by name, or one for each.

    Raises:
        InputError: if there are units for other names.

    Example:
        >>> with_units(["age", "sex"], {"age": "years"})
        ('age [years]', 'sex')
    """
    if units is None:
        return tuple(names)
    named = dict(units) if isinstance(units, Mapping) else dict(zip(names, units, strict=False))
    fits = isinstance(units, Mapping) or (not isinstance(units, str) and len(units) == len(names))
    if not fits or not set(named) <= set(names):
        raise InputError(f"Expected `units` for the values {list(names)}. Received: {units!r}.")
    return tuple(f"{name} [{named[name]}]" if named.get(name) else name for name in names)


def check_classes(class_names: Sequence[str]) -> None:
    """Raises DataError unless there is something to tell apart."""
    if len(class_names) < 2:
        raise DataError(
            f"Expected images of 2 or more classes. Received: {len(class_names)}, {list(class_names)}. "
            "A classifier needs something to tell apart: add a folder with pictures of everything else."
        )
