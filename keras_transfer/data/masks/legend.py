"""Legend: which class each value of a mask stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.classes import written
from keras_transfer.data.masks.reading import packed
from keras_transfer.tasks.several_labels import UNKNOWN

Value = int | tuple[int, int, int]
_VOID = 255  # what most data sets write where a pixel has no class
MOST = 64  # values that may stand for classes where nobody names them


@dataclass(frozen=True)
class Legend:
    """Which class each value of a mask stands for.

    Attributes:
        class_names: of the classes, in the order of their numbers.
        numbers: number of the class by value; colours are packed.
        ignored: values that stand for no class.
        coloured: values are colours.
    """

    class_names: tuple[str, ...]
    numbers: Mapping[int, int]
    ignored: frozenset[int]
    coloured: bool

    @classmethod
    def given(cls, values: Mapping[str, Any], ignore: Iterable[Value]) -> Legend:
        """Makes a legend of what a user says.

        Args:
            values: of each class, by its name: a whole number, a colour (red, green, blue), or a list of these.
            ignore: values that stand for no class; 255 does too, unless it is that of a class.

        Raises:
            InputError: if a value is of another form, or stands for two classes.
        """
        listed = {written(name): _several(each) for name, each in values.items()}
        every = [value for each in listed.values() for value in each]
        forms = {isinstance(value, tuple) for value in (*every, *ignore)}
        if not every or len(forms) > 1 or len(set(every)) < len(every):
            raise InputError(
                "Expected `values` by class: whole numbers, colours (red, green, blue) or lists of these, none of them "
                f"twice. Received: values={dict(values)!r}, ignore={list(ignore)!r}."
            )
        names = tuple(listed)
        numbers = {number_of(value): names.index(name) for name, each in listed.items() for value in each}
        coloured = forms == {True}
        ignored = {number_of(value) for value in ignore} | ({_VOID} if not coloured else set())
        return cls(names, numbers, frozenset(ignored - set(numbers)), coloured)

    @classmethod
    def found(
        cls,
        present: Mapping[int, int],
        class_names: Sequence[str] | None,
        ignore: Iterable[int] | None,
        *,
        coloured: bool,
        hint: str = "",
    ) -> Legend:
        """Makes a legend of the values that occur.

        Args:
            present: number of pixels of each value.
            class_names: names of the values 0, 1 and so on; or of those that occur, in rising order. None for their
                numbers, or the codes of their colours.
            ignore: values that stand for no class; None for 255, unless 0 and 255 are the only ones.
            coloured: values are packed colours.
            hint: what more is known of the masks, in a sentence.

        Raises:
            DataError: if names and values do not fit, or there are too many values to be classes.
        """
        if ignore is None:
            ignore = [] if coloured or set(present) <= {0, _VOID} else [_VOID]
        ignored = frozenset(ignore)
        of_classes = sorted(set(present) - ignored)
        said = [_written(value, coloured=coloured) for value in of_classes]
        if class_names is None:
            if len(of_classes) > MOST:
                raise DataError(
                    f"Expected masks with one value for each class, at most {MOST}. Received: {len(of_classes)} "
                    f"values, {', '.join(said[:10])} and so on. Name the classes with their values, such as "
                    f"values={{'sky': 0, 'road': 3}}.{hint}"
                )
            return cls(tuple(said), {value: place for place, value in enumerate(of_classes)}, ignored, coloured)
        names = tuple(written(str(name)) for name in class_names)
        if not coloured and all(value < len(names) for value in of_classes):
            return cls(names, {value: value for value in range(len(names))}, ignored, coloured)
        if len(of_classes) == len(names):
            return cls(names, {value: place for place, value in enumerate(of_classes)}, ignored, coloured)
        raise DataError(
            f"Expected a name for each value of the masks, {', '.join(said[:20])}. Received: {list(names)}. Say with "
            f"`values` which value is which class, and with `ignore` which stands for none.{hint}"
        )

    def described(self) -> dict[str, Any]:
        """Returns the values of each class and those that are ignored, as values for JSON; see `given`."""
        values: dict[str, list[Any]] = {name: [] for name in self.class_names}
        for value, number in self.numbers.items():
            values[self.class_names[number]].append(_unpacked(value) if self.coloured else value)
        ignored = [_unpacked(value) if self.coloured else value for value in sorted(self.ignored)]
        return {"values": values, "ignore": ignored}

    def read(self, values: np.ndarray) -> np.ndarray:
        """Returns numbers of classes, int16, of values int32; -1 where one stands for no class."""
        known = np.array(sorted(self.numbers), np.int64)
        numbers = np.array([self.numbers[value] for value in known.tolist()], np.int16)
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[place] == values, numbers[place], np.int16(UNKNOWN))

    def strangers(self, present: Iterable[int]) -> list[str]:
        """Returns in words those of some values that stand neither for a class nor for none."""
        odd = sorted(set(present) - set(self.numbers) - self.ignored)
        return [_written(value, coloured=self.coloured) for value in odd]


def _several(given: Any) -> list[Value]:
    """Returns the values that one name stands for.

    Raises:
        InputError: if they are of another form.
    """
    if isinstance(given, (int, np.integer)):
        return [int(given)]
    parts = list(given) if isinstance(given, Iterable) and not isinstance(given, (str, bytes)) else [given]
    if isinstance(given, tuple) and len(parts) == 3 and all(isinstance(part, (int, np.integer)) for part in parts):
        red, green, blue = map(int, parts)
        if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:
            raise InputError(f"Expected a colour (red, green, blue), each in [0, 255]. Received: {given!r}.")
        return [(red, green, blue)]
    if not all(isinstance(part, (int, np.integer, tuple)) for part in parts):
        raise InputError(
            f"Expected a whole number, a colour (red, green, blue) or a list of these. Received: {given!r}."
        )
    return [value for part in parts for value in _several(part)]


def _unpacked(value: int) -> list[int]:
    return [value >> 16, value >> 8 & 255, value & 255]


def as_given(described: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Returns `values` and `ignore`, as `from_masks` takes them, of what `Legend.described` returned.

    Example:
        >>> as_given({"values": {"sky": [0], "road": [[1, 2, 3]]}, "ignore": []})
        ({'sky': [0], 'road': [(1, 2, 3)]}, [])
    """

    def value(each: Any) -> Any:
        return tuple(each) if isinstance(each, list) else each

    values = {name: [value(each) for each in several] for name, several in described["values"].items()}
    return values, [value(each) for each in described["ignore"]]


def listed_values(given: Any) -> list[Value]:
    """Returns values that are given as one, or as a list.

    Raises:
        InputError: if they are of another form.

    Example:
        >>> listed_values(255), listed_values((0, 0, 0)), listed_values([0, 11])
        ([255], [(0, 0, 0)], [0, 11])
    """
    return _several(given)


def number_of(value: Value) -> int:
    """Returns a value as one number, which packs a colour."""
    return int(packed(np.array(value, np.uint8))) if isinstance(value, tuple) else value


def colours_in(legend: Path) -> dict[str, tuple[int, int, int]]:
    """Reads a file `labelmap.txt` as CVAT writes it: lines `name:red,green,blue::`, those with # left out.

    Raises:
        DataError: if a line is of another form.
    """
    found = {}
    for number, line in enumerate(legend.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, *rest = line.rsplit(":", 3)
        parts = rest[0].split(",") if len(rest) == 3 else []
        if not name or len(parts) != 3 or not all(part.strip().isdigit() and int(part) <= 255 for part in parts):
            raise DataError(f"Expected name:red,green,blue:: in line {number} of {legend.name!r}. Received: {line!r}.")
        found[name] = (int(parts[0]), int(parts[1]), int(parts[2]))
    return found


def _written(value: int, *, coloured: bool) -> str:
    return f"#{value:06x}" if coloured else str(value)
