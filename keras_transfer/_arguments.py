"""Arguments: what a public function takes, as a table above it that is checked before anything slow begins."""

from __future__ import annotations

import inspect
import math
import os
import reprlib
from collections.abc import Callable, Mapping
from functools import wraps
from numbers import Integral, Real
from typing import Any, TypeVar

from keras_transfer._checks import InputError, unknown
from keras_transfer._registry import Registry

Function = TypeVar("Function", bound=Callable[..., Any])
Word = TypeVar("Word")


class Constraint:
    """What an argument may be. `Whole(1) | None` is one of both.

    Attributes:
        words: completes the sentence "Expected `name` to be ...".
        names: the names it accepts, for a hint to the nearest one.
    """

    words: str = "anything"
    names: tuple[str, ...] = ()

    def accepts(self, value: Any) -> bool:
        """Says whether a value may be passed."""
        return True

    def normal(self, value: Any) -> Any:
        """Returns an accepted value in the form that the function works with."""
        return value

    def __or__(self, other: Constraint | None) -> Constraint:
        return _Either(self, _NOTHING if other is None else other)

    def __call__(self, name: str, value: Any) -> Any:
        """Returns the value of an argument in its normal form.

        Raises:
            InputError: if it may not be passed.
        """
        if self.accepts(value):
            return self.normal(value)
        if isinstance(value, str) and self.names:
            raise unknown(name, value, list(self.names))
        raise InputError(f"Expected `{name}` to be {self.words}. Received: {name}={_short(value)}.")


class Number(Constraint):
    """A finite number, of Python or NumPy.

    Args:
        low: the smallest it may be.
        high: the largest it may be.
        above: whether it must be above `low`.
    """

    kind: Any = Real
    what = "a number"

    def __init__(self, low: float = 0, high: float = math.inf, *, above: bool = False):
        self._low, self._high, self._above = low, high, above
        begin = f"above {low:g}" if above else f"of {low:g} or more"
        self.words = f"{self.what} {begin}" + ("" if math.isinf(high) else f" and at most {high:g}")

    def accepts(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, self.kind) or not math.isfinite(value):
            return False
        return (value > self._low if self._above else value >= self._low) and value <= self._high

    def normal(self, value: Any) -> float:
        return value if isinstance(value, (int, float)) else float(value)


class Whole(Number):
    """A whole number, of Python or NumPy."""

    kind = Integral
    what = "a whole number"

    def __init__(self, low: int = 1, high: float = math.inf):
        super().__init__(low - 1, high, above=True) if low == 1 else super().__init__(low, high)

    def normal(self, value: Any) -> int:
        return int(value)


class Flag(Constraint):
    """True or False."""

    words = "True or False"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, bool) or type(value).__name__ in ("bool", "bool_")  # NumPy's too

    def normal(self, value: Any) -> bool:
        return bool(value)


class Choice(Constraint):
    """One of some words."""

    def __init__(self, *names: str):
        self.names = names
        self.words = f"one of {list(names)}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and value in self.names


class Kind(Constraint):
    """An object of some class.

    Args:
        kinds: the classes; or a function that tells whether an object is of the kind.
        words: what such an object is.
    """

    def __init__(self, kinds: type | tuple[type, ...] | Callable[[Any], bool], words: str):
        self._is = kinds if not isinstance(kinds, (type, tuple)) else lambda value: isinstance(value, kinds)
        self.words = words

    def accepts(self, value: Any) -> bool:
        return bool(self._is(value))


class Part(Constraint):
    """A part by name, or the object itself."""

    def __init__(self, registry: Registry[Any]):
        self._registry = registry

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names that are registered now. Users may register more."""
        return tuple(self._registry.names())

    @property
    def words(self) -> str:  # type: ignore[override]
        """The names, and what an object has to be."""
        return self._registry.words

    def accepts(self, value: Any) -> bool:
        return value in self.names if isinstance(value, str) else self._registry.takes(value)


class ImageSize(Constraint):
    """Height and width in pixels, or one number for both; normally `(height, width)`."""

    words = "a whole number of pixels above 0, or (height, width)"

    def accepts(self, value: Any) -> bool:
        side = Whole(1)
        if isinstance(value, (tuple, list)):
            return len(value) == 2 and all(map(side.accepts, value))
        return side.accepts(value)

    def normal(self, value: Any) -> tuple[int, int]:
        height, width = value if isinstance(value, (tuple, list)) else (value, value)
        return int(height), int(width)


class Anything(Constraint):
    """Whatever the function itself checks."""


class _Nothing(Constraint):
    words = "None"

    def accepts(self, value: Any) -> bool:
        return value is None


class _Either(Constraint):
    def __init__(self, *constraints: Constraint):
        self._constraints = constraints

    @property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(name for each in self._constraints for name in each.names)

    @property
    def words(self) -> str:  # type: ignore[override]
        return ", or ".join(each.words for each in self._constraints)

    def accepts(self, value: Any) -> bool:
        return any(each.accepts(value) for each in self._constraints)

    def normal(self, value: Any) -> Any:
        return next(each for each in self._constraints if each.accepts(value)).normal(value)


_NOTHING = _Nothing()
PATH = Kind((str, os.PathLike), "a path")
VERBOSE = Choice("auto") | Kind(lambda value: isinstance(value, int) and value in (0, 1, 2), "0, 1 or 2")


def takes(**table: Constraint) -> Callable[[Function], Function]:
    """Checks the arguments of the decorated function, or of a class' constructor, against a table.

    The function is called with the normal form of each value. Its signature stays as it is.

    Args:
        **table: a constraint for each argument; those that are missing are not checked.

    Example:
        >>> @takes(count=Whole(1))
        ... def twice(count):
        ...     return 2 * count
        >>> twice(0)
        Traceback (most recent call last):
        keras_transfer._checks.InputError: Expected `count` to be a whole number above 0. Received: count=0.
    """

    def wrap(function: Any) -> Any:
        if isinstance(function, type):
            function.__init__ = wrap(function.__init__)  # type: ignore[misc]
            return function
        signature = inspect.signature(function)

        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError:
                return function(*args, **kwargs)  # Python's own words for a name that is missing or unknown
            bound.arguments |= checked_values(table, bound.arguments)
            return function(*bound.args, **bound.kwargs)

        checked.table = table  # type: ignore[attr-defined]
        return checked

    return wrap


def checked_values(table: Mapping[str, Constraint], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values that are in the table in their normal form.

    Raises:
        InputError: if one may not be passed.
    """
    return {name: table[name](name, value) for name, value in values.items() if name in table}


def _short(value: Any) -> str:
    """Writes a value in a line; large arrays and long texts are cut."""
    shortened = reprlib.Repr()
    shortened.maxstring = shortened.maxother = 200
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__} of shape {shape}" if shape else shortened.repr(value)
