"""A table with a row for each image: its columns, and the labels in them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, InputError, unknown
from keras_transfer.data.classes import ordered, written
from keras_transfer.data.sources.folders import SPLIT_NAMES
from keras_transfer.data.splitting.lists import CLASS_ID, SEPARATOR, read_columns


class Table:
    """The columns of a table, lists of the same length, and `root`, the folder to which its paths are relative."""

    def __init__(self, frame: Any, root: str | os.PathLike[str] | None):
        beside = Path()
        if isinstance(frame, (str, os.PathLike)):
            beside = Path(frame).expanduser().parent
            frame = read_columns(frame)
        if not hasattr(frame, "columns") and not hasattr(frame, "keys"):
            raise InputError(f"Expected a DataFrame or the path of a CSV file. Received: {type(frame).__name__}.")
        names = list(frame.columns if hasattr(frame, "columns") else frame)
        self._columns = {name: list(frame[name]) for name in names}
        self.root = beside if root is None else Path(root).expanduser()

    def column(self, name: str) -> list[Any]:
        """Returns the values of a column."""
        if name not in self._columns:
            raise unknown("column", name, [str(each) for each in self._columns])
        return self._columns[name]

    def has(self, name: str) -> bool:
        """Says whether there is a column of this name."""
        return name in self._columns

    def paths(self, name: str) -> list[Path]:
        """Returns the paths of images in a column, absolute or below `root`."""
        values = self.column(name)
        for row, value in enumerate(values):
            if not isinstance(value, (str, os.PathLike)) or not str(value):
                raise DataError(f"Expected paths in the column {name!r}. Received: {value!r} in {row_name(row)}.")
        return [self.root / Path(value).expanduser() for value in values]

    def splits(self, name: str | None) -> list[str]:
        """Returns the split of each row from a column; "train" for all rows if `name` is None."""
        if name is None:
            return ["train"] * len(next(iter(self._columns.values()), ()))
        found = []
        for row, value in enumerate(self.column(name)):
            split = SPLIT_NAMES.get(str(value).strip().lower())
            if split is None:
                raise DataError(
                    f"Expected one of {sorted(SPLIT_NAMES)} in the column {name!r}. "
                    f"Received: {value!r} in {row_name(row)}."
                )
            found.append(split)
        return found


def labels_of(
    table: Table, columns: str | Sequence[str], separator: str | None, class_names: Sequence[str] | None
) -> tuple[list[Any], tuple[str, ...]]:
    """Returns the label of each row (None for a row without a label), and the class names."""
    if not isinstance(columns, str):
        names = tuple(columns)
        by_label = [[_zero_or_one(value, name, row) for row, value in enumerate(table.column(name))] for name in names]
        return [list(row) for row in zip(*by_label, strict=True)], names
    named = [_class_name(value, columns, row) for row, value in enumerate(table.column(columns))]
    split: Callable[[str], list[str]] = lambda text: [text]  # noqa: E731
    if separator is not None:
        split = lambda text: [part.strip() for part in text.split(separator) if part.strip()]  # noqa: E731
    occurring = {part for name in named if name is not None for part in split(name)}
    names = tuple(written(str(name)) for name in class_names) if class_names else _kept_order(table, named, split)
    strangers = occurring - set(names)
    if strangers:
        stranger = sorted(strangers)[0]
        row = next(row for row, name in enumerate(named) if name is not None and stranger in split(name))
        raise DataError(
            f"Expected the classes {list(names)} in the column {columns!r}. Received: {stranger!r} in {row_name(row)}."
        )
    if separator is None:
        index = {name: number for number, name in enumerate(names)}
        return [None if name is None else index[name] for name in named], names
    parts = [None if name is None else set(split(name)) for name in named]
    return [None if each is None else [int(name in each) for name in names] for each in parts], names


def _kept_order(table: Table, named: Sequence[str | None], split: Callable[[str], list[str]]) -> tuple[str, ...]:
    """Returns the names that occur, in the order that `save_split` has kept, or else in the one of all sources."""
    numbers: dict[str, set[str]] = {part: set() for name in named if name is not None for part in split(name)}
    for name, ids in zip(named, table.column(CLASS_ID) if table.has(CLASS_ID) else (), strict=False):
        for part, number in zip(split(name or ""), str(ids).split(SEPARATOR), strict=False):
            numbers.get(part, set()).add(number)
    if all(len(found) == 1 and min(found).isdecimal() for found in numbers.values()):
        return tuple(sorted(numbers, key=lambda name: int(min(numbers[name]))))
    return ordered(numbers)


def is_missing(value: Any) -> bool:
    """Says whether a cell is empty: None, not-a-number, the NA of pandas, or blanks."""
    if isinstance(value, str):
        return not value.strip()
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, float) and math.isnan(value))
    )


def _class_name(value: Any, column: str, row: int) -> str | None:
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


def _zero_or_one(value: Any, column: str, row: int) -> int:
    if str(value) not in ("0", "1", "0.0", "1.0", "True", "False"):
        raise DataError(f"Expected 0 or 1 in the column {column!r}. Received: {value!r} in {row_name(row)}.")
    return int(str(value) in ("1", "1.0", "True"))


def row_name(row: int) -> str:
    """Returns the name of a row for messages, counted from 1 below the header."""
    return f"row {row + 1}"
