"""Every public name is on an API page and says what it does; `make docs` and a test fail otherwise."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

_BESIDE = {"keras_transfer.server.Limits", "keras_transfer.server.Server"}  # public, and needs an extra
API = Path(__file__).parent.parent / "api"
MODULES = (
    "data",
    "heads",
    "pooling",
    "token_pooling",
    "rates",
    "schedules",
    "recipes",
    "penalties",
    "ranking",
    "tuning",
    "augment",
    "alignment",
    "validators",
    "plots",
    "testing",
)


def public_names() -> dict[str, Any]:
    """Returns every public object by its public path, such as `keras_transfer.data.check`."""
    import keras_transfer

    found = {f"keras_transfer.{name}": getattr(keras_transfer, name) for name in keras_transfer.__all__}
    for name in MODULES:
        module = getattr(keras_transfer, name)
        found |= {f"keras_transfer.{name}.{member}": getattr(module, member) for member in _members(module)}
    return {path: part for path, part in found.items() if path != "keras_transfer.__version__"}


def complaints(pages: Path = API) -> list[str]:
    """Returns what is missing: a sentence for each name without a docstring, or without a place on an API page.

    A function, class or module of this package has a docstring, and a directive `::: PATH` under one of its paths. A
    value, such as a registry, and a name from elsewhere cannot have a docstring of their own: a page says in a table
    what they are, in a row that begins with the path.
    """
    text = "\n".join(path.read_text() for path in sorted(pages.glob("*.md")))
    directives = set(re.findall(r"^::: ([\w.]+)$", text, flags=re.MULTILINE))
    rows = set(re.findall(r"^\| `([\w.]+)` \| \S", text, flags=re.MULTILINE))
    every = public_names()
    shown = {id(part) for path, part in every.items() if path in directives}
    wrong = [f"`::: {path}` is no public name." for path in sorted(directives - set(every) - _BESIDE)]
    for path, part in every.items():
        if inspect.ismodule(part) or _is_own(part):
            wrong += _without_docstring(path, part)
            if not inspect.ismodule(part) and id(part) not in shown:
                wrong.append(f"{path} is on no API page: write `::: {path}`.")
        elif path.removeprefix("keras_transfer.") not in rows:
            wrong.append(f"{path} has no docstring of its own: write a row of a table that says what it is.")
    return wrong


def on_pre_build(config: Any) -> None:
    """Fails the build of the site for the first things that are missing."""
    from mkdocs.exceptions import PluginError

    wrong = complaints(Path(config.docs_dir) / "api")
    if wrong:
        raise PluginError("\n".join(wrong))


def _is_own(part: Any) -> bool:
    """Whether this is a function or class of this package."""
    from_here = str(getattr(part, "__module__", "")).startswith("keras_transfer")
    return from_here and (inspect.isroutine(part) or inspect.isclass(part))


def _without_docstring(path: str, part: Any) -> list[str]:
    own = inspect.cleandoc(part.__doc__ or "")
    silent = [] if own and not own.startswith(f"{path.rpartition('.')[2]}(") else [path]  # NAME(...): by dataclasses
    if inspect.isclass(part):
        silent += [f"{path}.{name}" for name, member in _own_members(part) if not inspect.getdoc(member)]
    return [f"{name} has no docstring." for name in silent]


def _members(module: ModuleType) -> list[str]:
    """Returns the public names of a module: its `__all__`, or else what is defined there in public."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    own = [name for name, part in vars(module).items() if getattr(part, "__module__", None) == module.__name__]
    return [name for name in own if not name.startswith("_")]


def _own_members(kind: type) -> list[tuple[str, Any]]:
    """Returns the public methods and properties that a class defines and its bases do not."""
    inherited = {name for base in kind.__mro__[1:] for name in vars(base)}
    return [
        (name, member)
        for name, member in vars(kind).items()
        if not name.startswith("_")
        and name not in inherited
        and (callable(member) or isinstance(member, (property, classmethod, staticmethod)))
    ]
