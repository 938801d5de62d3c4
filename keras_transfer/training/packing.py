"""Packing: any value that a callback remembers, as JSON and arrays beside it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError


def pack(value: Any, arrays: dict[str, Any], key: str) -> Any:
    """Returns what JSON can hold of a value; arrays, tensors and scalars of NumPy go to `arrays`.

    Args:
        value: text, numbers, arrays and tensors, also in lists, tuples and dicts.
        arrays: gets what JSON cannot hold.
        key: the beginning of its names there.

    Raises:
        InputError: for a value of any other kind.
    """
    if value is None or isinstance(value, (bool, int, str)) or type(value) is float:
        return value
    if isinstance(value, (list, tuple, dict)):
        members = [list(pair) for pair in value.items()] if isinstance(value, dict) else value
        packed = [pack(member, arrays, f"{key}_{index}") for index, member in enumerate(members)]
        return packed if isinstance(value, list) else {"tuple" if isinstance(value, tuple) else "dict": packed}
    is_tensor = isinstance(value, (tf.Tensor, tf.Variable, keras.Variable))
    array = np.asarray(keras.ops.convert_to_numpy(value)) if is_tensor else value
    if not isinstance(array, (np.ndarray, np.generic)) or array.dtype.hasobject:
        raise InputError(
            f"Expected logs and memories of callbacks to be text, numbers or arrays. Received: {value!r} in {key!r}."
        )
    arrays[key] = array
    kind = "tensor" if is_tensor else "scalar" if isinstance(array, np.generic) else "array"
    return {kind: key, "dtype": array.dtype.name}


def unpack(packed: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Returns the value that was packed; a variable comes back as a tensor."""
    if isinstance(packed, list):
        return [unpack(member, arrays) for member in packed]
    if not isinstance(packed, dict):
        return packed
    if "dtype" not in packed:
        ((kind, members),) = packed.items()
        unpacked = [unpack(member, arrays) for member in members]
        return tuple(unpacked) if kind == "tuple" else dict(unpacked)
    ((kind, key), (_, dtype)) = packed.items()
    array = arrays[key]
    if array.dtype.kind == "V":  # NumPy's files hold types such as bfloat16 as bytes
        array = array.view(dtype)
    return tf.convert_to_tensor(array) if kind == "tensor" else array[()] if kind == "scalar" else array
