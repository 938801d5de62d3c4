"""Tables from names to parts: registering a part enrols it in the contract tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from keras_transfer._checks import unknown

Part = TypeVar("Part")


class Registry(Generic[Part]):
    """Named parts of one kind, such as heads. A part may always be given as the object itself.

    Example:
        >>> heads = Registry("head")
        >>> @heads.register("linear")
        ... def linear(features): ...
        >>> heads.find("linear") is linear and heads.find(linear) is linear
        True
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._parts: dict[str, Part] = {}

    def register(self, name: str) -> Callable[[Part], Part]:
        """Adds the decorated part under `name`; a name is given only once."""

        def add(part: Part) -> Part:
            if name in self._parts:
                raise ValueError(f"Expected a {self.kind} name that is free. Received: {name!r}, which is taken.")
            self._parts[name] = part
            return part

        return add

    def find(self, part: str | Part) -> Part:
        """Returns the part of that name, or the argument itself where it is not a name.

        Raises:
            InputError: if no part has the name.
        """
        if not isinstance(part, str):
            return part
        if part not in self._parts:
            raise unknown(self.kind, part, self.names())
        return self._parts[part]

    def names(self) -> list[str]:
        """Returns all names, in the order of their registration."""
        return list(self._parts)
