"""What a function or class is made of: its name, whether it is of an installed library, what its code uses."""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)


def name_of(part: Any) -> str:
    """Returns module and name of a function or class."""
    return f"{getattr(part, '__module__', None)}.{getattr(part, '__qualname__', type(part).__qualname__)}"


def installed_name_of(part: type | types.FunctionType) -> str | None:
    """Returns name and version where an installed library has a function or class under its name; None elsewhere."""
    if not is_installed(part.__module__):
        return None
    found: Any = sys.modules.get(part.__module__)
    for name in part.__qualname__.split("."):
        found = getattr(found, name, None)
    library = part.__module__.partition(".")[0]
    version = getattr(sys.modules.get(library), "__version__", None)
    return None if found is not part else f"{name_of(part)} of {library} {version}" if version else name_of(part)


def is_installed(module: str | None) -> bool:
    """Says whether a module is of the standard library or of an installed one, which have versions."""
    if module is None or module == "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return module.partition(".")[0] in sys.stdlib_module_names or "-packages/" in file.replace("\\", "/")


def functions_and_values(kind: type) -> Iterator[tuple[str, Any]]:
    """Yields the functions of a class, those behind properties too, and its public values, each with its name."""
    for name, member in vars(kind).items():
        if isinstance(member, property):
            yield name, [member.fget, member.fset, member.fdel]
        elif isinstance(member, (staticmethod, classmethod)):
            yield name, member.__func__
        elif isinstance(member, functools.cached_property):
            yield name, member.func
        elif isinstance(member, FUNCTIONS) or not name.startswith("_"):
            yield name, member


def used_by(code: types.CodeType, scope: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields what code, and functions inside it, use of a module, such as `FACTOR` or `settings.factor`, and its value.

    Args:
        code: of a function.
        scope: the variables of its module.
    """
    for path in sorted(set(_paths(code))):
        first, *attributes = path.split(".")
        value = scope.get(first)
        with suppress(AttributeError, RuntimeError, TypeError, ValueError):  # it may not be there yet
            for name in attributes:
                if not (isinstance(value, types.ModuleType) and is_installed(value.__name__)):
                    value = getattr(value, name)
        if first in scope:  # all else are names of Python, which are in the code
            yield path, value


def _paths(code: types.CodeType) -> Iterator[str]:
    """Yields names of global variables that code reads, with the attributes that it reads of them at once."""
    path = ""
    for instruction in dis.get_instructions(code):
        if path and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD"):
            path += f".{instruction.argval}"
            continue
        if path:
            yield path
        path = instruction.argval if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") else ""
    for value in code.co_consts:
        if isinstance(value, types.CodeType):
            yield from _paths(value)
