"""Origins: what a model was built of, kept with the object as long as it lives, for its model card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras


@dataclass(frozen=True)
class Origin:
    """What a model was built of.

    Attributes:
        backbone: name of the network.
        weights: "imagenet", "random", "its own" for a model that brought them, or the name of a file.
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
    """Names a part that was given by name or as an object, such as a function with some arguments filled in."""
    if isinstance(part, (str, os.PathLike)):
        return os.fspath(part)
    part = getattr(part, "func", part)
    return getattr(part, "__name__", None) or getattr(part, "name", None) or type(part).__name__


def remember(model: keras.Model, origin: Origin) -> None:
    """Keeps the origin with the model. It is not in a `.keras` file, which holds what Keras needs and no more."""
    model.origin = origin


def origin_of(model: keras.Model) -> Origin | None:
    """Returns what a model was built of; None for a reloaded one and for one of the user's own."""
    return getattr(model, "origin", None)
