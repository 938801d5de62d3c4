"""Origins: the parts that a model was built of, stored as an attribute of the model object for its model card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras


@dataclass(frozen=True)
class Origin:
    """The parts that a model was built of.

    Attributes:
        backbone: name of the network.
        weights: "imagenet"; "random"; "its own", if the backbone is a model that already had weights; or a file name.
        pooling: name of the pooling.
        head: name of the head.
        options: further arguments of the backbone's constructor.
    """

    backbone: str
    weights: str
    pooling: str
    head: str
    options: Mapping[str, Any] = field(default_factory=dict)


def name_of(part: Any) -> str:
    """Returns the name of a part that was given by name or as an object.

    For a `functools.partial` it is the name of the inner function.
    """
    if isinstance(part, (str, os.PathLike)):
        return os.fspath(part)
    part = getattr(part, "func", part)
    return getattr(part, "__name__", None) or getattr(part, "name", None) or type(part).__name__


def remember(model: keras.Model, origin: Origin) -> None:
    """Stores the origin in an attribute of the model. It is not saved in a `.keras` file."""
    model.origin = origin


def origin_of(model: keras.Model) -> Origin | None:
    """Returns the origin of a model, or None if `build_model` did not make it or it was reloaded."""
    return getattr(model, "origin", None)
