"""A table with a row for each image: its columns, and the labels in them."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, InputError, unknown
from keras_transfer.data.classes import ordered, written
from keras_transfer.data.sources.cells import class_name_in, is_missing, number_in, row_name, zero_or_one_in
from keras_transfer.data.splitting.lists import CLASS_ID, SEPARATOR, read_columns
from keras_transfer.data.splitting.names import SPLIT_NAMES
from keras_transfer.tasks import UNKNOWN

# what people call the columns
_USUAL = {
    "image": {"filename", "file_name", "file", "filepath", "file_path", "path", "image_path", "image_id", "img"},
    "label": {"class", "class_name", "category", "target", "labels", "y"},
}
_CELLS = (list, tuple, set, frozenset, np.ndarray)
_DECIMAL = re.compile(r"[+-]?[0-9]+(,[0-9]+)?")


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
        """Returns the values of a column. One that is called "image" or "label" may have another usual name."""
        return self._columns[self._named(name)]

    def _named(self, name: str) -> str:
        if name in self._columns:
            return name
        usual = [each for each in self._columns if str(each).strip().lower() in _USUAL.get(name, ())]
        if len(usual) != 1:
            raise unknown("column", name, [str(each) for each in self._columns])
        logging.getLogger("keras_transfer").info("the column %r is taken for %r", usual[0], name)
        return usual[0]

    def read_decimal_commas(self, name: str) -> None:
        """Writes 12,5 as 12.5 in a column of numbers of which one has other than three digits behind its comma."""
        cells = self.column(name)
        texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
        commas = [text for text in texts if "," in text]
        if commas and all(_DECIMAL.fullmatch(text.strip()) for text in texts):
            if all(len(text.strip().partition(",")[2]) == 3 for text in commas):
                raise DataError(
                    f"Expected numbers with a decimal point in the column {name!r}. Received: {commas[0]!r}, which may "
                    "be a whole number or a fraction."
                )
            self._columns[self._named(name)] = [
                cell.replace(",", ".") if isinstance(cell, str) else cell for cell in cells
            ]

    def has(self, name: str) -> bool:
        """Says whether there is a column of this name."""
        return name in self._columns

    def paths(self, name: str, suffix: str = "") -> list[Path]:
        """Returns the paths of images in a column, absolute or below `root`, with a suffix at their ends."""
        found = []
        for row, value in enumerate(self.column(name)):
            if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and suffix:
                value = str(value)
            if not isinstance(value, (str, os.PathLike)) or not str(value):
                hint = " For numbers of images pass suffix='.jpg' or the like." if isinstance(value, int) else ""
                raise DataError(f"Expected paths in the column {name!r}. Received: {value!r} in {row_name(row)}.{hint}")
            if re.match(r"[a-z][a-z0-9+.-]+://", str(value), re.IGNORECASE):
                raise DataError(
                    f"Expected files on this machine in the column {name!r}. Received: {value!r} in {row_name(row)}. "
                    "Download them first, and write their paths, with root= for their folder."
                )
            path = self.root / Path(f"{os.fspath(value)}{suffix}").expanduser()
            if "\\" in str(value) and not path.exists():  # as Windows writes it
                path = self.root / Path(f"{value!s}{suffix}".replace("\\", "/")).expanduser()
            found.append(path)
        return found

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
    table: Table,
    columns: str | Sequence[str],
    separator: str | None,
    class_names: Sequence[str] | None,
    task: str | None = None,
) -> tuple[list[Any], tuple[str, ...]]:
    """Returns the label of each row (None for a row without a label), and the names of classes or values.

    Labels of regression are lists of floats. Numbers are taken for them if `task` says so, or one of them is not whole.
    """
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if separator is None and task in (None, "regression"):
        for name in names:
            table.read_decimal_commas(name)
    if task == "regression" or (task is None and separator is None and _are_values(table, names)):
        return _values(table, names), tuple(map(str, names if class_names is None else class_names))
    if not isinstance(columns, str):
        names = tuple(columns)
        by_label = [
            [zero_or_one_in(value, name, row) for row, value in enumerate(table.column(name))] for name in names
        ]
        rows = zip(*by_label, strict=True)
        return [None if all(value == UNKNOWN for value in row) else list(row) for row in rows], names
    values = table.column(columns)
    if any(isinstance(value, _CELLS) for value in values):
        return _of_cells(values, columns, class_names)
    named = [class_name_in(value, columns, row) for row, value in enumerate(values)]
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


def _are_values(table: Table, names: Sequence[str]) -> bool:
    """Says whether all cells of columns are numbers, and some are neither whole nor the same."""
    cells = [value for name in names for value in table.column(name) if not is_missing(value)]
    numbers = [number_in(cell) for cell in cells]
    if not cells or any(number is None for number in numbers):
        return False
    return len(set(numbers)) > 1 and any(number != math.floor(number) for number in numbers if number is not None)


def _values(table: Table, names: Sequence[str]) -> list[list[float] | None]:
    rows: list[list[float] | None] = []
    for row, cells in enumerate(zip(*(table.column(name) for name in names), strict=True)):
        if any(map(is_missing, cells)):
            rows.append(None)
            continue
        numbers = [number_in(cell) for cell in cells]
        if any(number is None or not math.isfinite(number) for number in numbers):
            raise DataError(f"Expected numbers in {list(names)}. Received: {list(cells)} in {row_name(row)}.")
        rows.append([float(number) for number in numbers if number is not None])
    return rows


def _of_cells(
    values: Sequence[Any], column: str, class_names: Sequence[str] | None
) -> tuple[list[Any], tuple[str, ...]]:
    """Returns the labels of cells that are lists of names: several labels an image."""
    rows: list[set[str] | None] = []
    for row, value in enumerate(values):
        cells = value if isinstance(value, _CELLS) else [value]
        names = [class_name_in(each, column, row) for each in cells]
        rows.append({name for name in names if name is not None} if isinstance(value, _CELLS) or any(names) else None)
    every = ordered(name for row in rows for name in row or ())
    known = every if class_names is None else tuple(written(str(name)) for name in class_names)
    strangers = [name for name in every if name not in known]
    if strangers:
        raise DataError(f"Expected the classes {list(known)} in the column {column!r}. Received: {strangers[0]!r}.")
    return [None if row is None else [int(name in row) for name in known] for row in rows], known


def _kept_order(table: Table, named: Sequence[str | None], split: Callable[[str], list[str]]) -> tuple[str, ...]:
    """Returns the names that occur, in the order that `save_split` has kept, or else in the one of all sources."""
    numbers: dict[str, set[str]] = {part: set() for name in named if name is not None for part in split(name)}
    for name, ids in zip(named, table.column(CLASS_ID) if table.has(CLASS_ID) else (), strict=False):
        for part, number in zip(split(name or ""), str(ids).split(SEPARATOR), strict=False):
            numbers.get(part, set()).add(number)
    if all(len(found) == 1 and min(found).isdecimal() for found in numbers.values()):
        return tuple(sorted(numbers, key=lambda name: int(min(numbers[name]))))
    return ordered(numbers)
