"""Tables from names to parts: registering a part enrols it in the contract tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from keras_transfer._checks import InputError, unknown

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """Named parts of one kind, such as heads, which may be given as the object itself.

    Args:
        kind: of the parts.
        takes: tells whether an object can be a part; by default none can, and a part has to have a name.
        described: what such an object is, in a few words.

    Example:
        >>> heads = Registry("head", callable, "a function (features, num_classes) -> logits")
        >>> @heads.register("linear")
        ... def linear(features): ...
        >>> heads.find("linear") is linear and heads.find(linear) is linear
        True
    """

    def __init__(self, kind: str, takes: Callable[[Any], bool] | None = None, described: str = ""):
        self.kind = kind
        self.takes: Callable[[Any], bool] = takes or (lambda part: False)
        self._described = described
        self._parts: dict[str, Part] = {}

    @property
    def words(self) -> str:
        """What a part of this kind can be given as."""
        return f"one of {self.names()}" + (f", or {self._described}" if self._described else "")

    def register(self, name: str) -> Callable[[Part], Part]:
        """Adds the decorated part under `name`; a name is given only once."""

        def add(part: Part) -> Part:
            if name in self._parts:
                raise ValueError(f"Expected a {self.kind} name that is free. Received: {name!r}, which is taken.")
            self._parts[name] = part
            return part

        return add

    def find(self, part: str | Part) -> Part:
        """Returns the part of that name, in whatever case, or the argument itself where it is a part.

        Raises:
            InputError: if no part has the name, or the object cannot be one.
        """
        if not isinstance(part, str):
            if not self.takes(part):
                name = self.kind.replace(" ", "_")
                raise InputError(f"Expected `{name}` to be {self.words}. Received: {name}={part!r}.")
            return part
        return self._parts[self.spelled(part)]

    def spelled(self, name: str) -> str:
        """Returns a name as it was registered, from the same name in another case.

        Raises:
            InputError: if no part has the name, or several have.
        """
        alike = [each for each in self._parts if each == name or each.lower() == name.lower()]
        if name not in alike and len(alike) != 1:
            raise unknown(self.kind, name, self.names())
        return name if name in alike else alike[0]

    def names(self) -> list[str]:
        """Returns all names, in the order of their registration."""
        return list(self._parts)
