"""What objects of Keras tell of themselves, without what differs from process to process."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_transfer._identity.code import FUNCTIONS

_NUMBER = re.compile(r"_\d+$")


def operations(model: keras.Model) -> Iterator[keras.Operation]:
    """Yields all operations in a model, those of models inside it too."""
    for operation in getattr(model, "operations", model.layers):
        yield operation
        if isinstance(operation, keras.Model):
            yield from operations(operation)


def unnamed(config: Any, places: Mapping[str, str]) -> Any:
    """Returns a config without what is `trainable`, which training sets, and without names that Keras counts up.

    Args:
        config: of an object of Keras.
        places: what stands for the name of each operation of a model; from other names the number is taken.
    """
    if isinstance(config, Mapping):
        return {
            places.get(key, key): _NUMBER.sub("", value)
            if key == "name" and isinstance(value, str) and value not in places
            else unnamed(value, places)
            for key, value in config.items()
            if key != "trainable"
        }
    if isinstance(config, (list, tuple)):
        return [unnamed(value, places) for value in config]
    return places.get(config, config) if isinstance(config, str) else config


def values_of(part: Any) -> dict[str, Any]:
    """Returns attributes that the user's own class has set: values and functions, but no state."""
    return {name: value for name, value in vars(part).items() if name not in _set_by_keras() and _is_value(value)}


@functools.cache
def _set_by_keras() -> frozenset[str]:
    return frozenset(vars(keras.layers.Layer()))


def _is_value(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_value, value))
    if isinstance(value, dict):
        return bool(value) and all(map(_is_value, value.values()))
    return isinstance(value, (bool, int, float, str, bytes, np.ndarray, np.generic, *FUNCTIONS))
