"""The cells of a table: which are empty, and what numbers, class names, and yes or no they hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_transfer._checks import DataError
from keras_transfer.data.classes import written
from keras_transfer.tasks import UNKNOWN

_ABSENT, _PRESENT = {"0", "0.0", "false", "no", "n"}, {"1", "1.0", "true", "yes", "y"}
_NOT_KNOWN = {"-1", "-1.0", "?", "unknown"}


def number_in(value: Any) -> float | None:
    """Returns the number that a cell holds; None if it holds none."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (str, int, float, np.number)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def is_missing(value: Any) -> bool:
    """Says whether a cell is empty: None, not-a-number, the NA of pandas, or blanks."""
    if isinstance(value, str):
        return not value.strip()
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float) and math.isnan(value))
    )


def class_name_in(value: Any, column: str, row: int) -> str | None:
    if is_missing(value):
        return None
    if isinstance(value, (float, np.floating)):
        if not float(value).is_integer():
            raise DataError(
                f"Expected class names or whole numbers in the column {column!r}. "
                f"Received: {value!r} in {row_name(row)}. For regression use kt.data.from_arrays."
            )
        value = int(value)  # pandas turns whole numbers into floats where one is missing
    if not isinstance(value, (str, int, np.integer)):
        raise DataError(
            f"Expected class names or whole numbers in the column {column!r}. Received: {type(value).__name__} in "
            f"{row_name(row)}."
        )
    return written(str(value))


def zero_or_one_in(value: Any, column: str, row: int) -> int:
    text = str(value).strip().lower()
    if is_missing(value) or text in _NOT_KNOWN:
        return UNKNOWN
    if text not in _ABSENT | _PRESENT:
        raise DataError(
            f"Expected 0 or 1 in the column {column!r}, -1 or nothing where it is not known. "
            f"Received: {value!r} in {row_name(row)}."
        )
    return int(text in _PRESENT)


def row_name(row: int) -> str:
    """Returns the name of a row for messages, counted from 1 below the header."""
    return f"row {row + 1}"
