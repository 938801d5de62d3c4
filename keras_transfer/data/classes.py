"""Classes: how their names are written, and the one order that they have in every source."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from keras_transfer._checks import DataError


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


def check_classes(class_names: Sequence[str]) -> None:
    """Raises DataError unless there is something to tell apart."""
    if len(class_names) < 2:
        raise DataError(
            f"Expected images of 2 or more classes. Received: {len(class_names)}, {list(class_names)}. "
            "A classifier needs something to tell apart: add a folder with pictures of everything else."
        )
