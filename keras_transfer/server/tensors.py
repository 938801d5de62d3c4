"""Converts JSON values to arrays and back, by the rules of TF Serving's REST API.

The rules are in https://www.tensorflow.org/tfx/serving/api_rest and tensorflow_serving/util/json_tensor.cc. All lists
at one depth must have the same length. A JSON number is accepted if the type of the tensor can hold it without loss; no
value is converted to another type.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.server.faults import Code, Fault, invalid

_SHOWN = 60  # characters of a value in an error
_MAX_RANK = 32  # the limit of NumPy 1; TensorFlow's limit is 254


def to_array(value: Any, name: str, dtype: tf.DType) -> np.ndarray:
    """Converts a JSON value to an array.

    Args:
        value: a scalar, a list, or nested lists. A string is text or `{"b64": "..."}`.
        name: name of the input, for error messages.
        dtype: type of the input.

    Returns:
        The array. For `tf.string` it holds bytes objects.

    Raises:
        Fault: INVALID_ARGUMENT, if lists at one depth differ in length or a value has another type.

    Example:
        >>> to_array([[1, 2.5], [0, 4]], "x", tf.float32).tolist()
        [[1.0, 2.5], [0.0, 4.0]]
        >>> to_array([{"b64": "aGk="}, "you"], "image_bytes", tf.string).tolist()
        [b'hi', b'you']
    """
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        sizes = set(map(len, level)) if set(map(type, level)) == {list} else set()
        if len(sizes) != 1:
            raise invalid(f"Encountered lists of unequal sizes at level {len(shape)} of input '{name}'.")
        shape.append(sizes.pop())
        level = list(chain.from_iterable(level))
    if len(shape) > _MAX_RANK:
        raise invalid(f"Encountered lists more than {_MAX_RANK} deep in input '{name}'.")
    try:
        flat = _strings(level, name) if dtype == tf.string else _numbers(level, name, dtype)
    except OverflowError as error:
        raise invalid(f"A value of input '{name}' does not fit {dtype.name}: {error}.") from error
    return flat.reshape(shape)


def _strings(values: Sequence[Any], name: str) -> np.ndarray:
    flat = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        if type(value) is str:
            flat[index] = value.encode("utf-8", "surrogatepass")
        elif type(value) is dict:
            flat[index] = _decoded(value, name)
        else:
            raise _wrong_type(value, name, tf.string)
    return flat


def _decoded(value: Mapping[str, Any], name: str) -> bytes:
    encoded = value.get("b64")
    if len(value) != 1 or not isinstance(encoded, str):
        raise invalid(f"JSON Value: {_short(value)} of input '{name}' not formatted correctly for base64 data")
    try:
        packed = "".join(encoded.split()) if any(map(str.isspace, encoded[:100])) or "\n" in encoded else encoded
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        hint = ""
        if packed.startswith("data:"):
            hint = " It is a data: URL; send what follows its comma."
        elif "-" in packed or "_" in packed:
            hint = " It looks like the URL-safe alphabet; send the standard one, with + and /."
        raise invalid(f"Unable to base64 decode input '{name}': {error}.{hint}") from error


def _numbers(values: Sequence[Any], name: str, dtype: tf.DType) -> np.ndarray:
    if dtype.is_floating:
        allowed: set[type] = {int, float}
    elif dtype.is_integer:
        allowed = {int}
    elif dtype.is_bool:
        allowed = {bool}
    else:
        raise Fault(Code.UNIMPLEMENTED, f"Conversion of JSON to type: {dtype.name} of input '{name}'.")
    if not set(map(type, values)) <= allowed:  # exact types, because to Python True is an int
        raise _wrong_type(next(value for value in values if type(value) not in allowed), name, dtype)
    if dtype.is_floating:
        _check_lossless(values, name, dtype)
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float64).astype(dtype.as_numpy_dtype)
    return np.array(values, dtype=dtype.as_numpy_dtype)


def _check_lossless(values: Sequence[Any], name: str, dtype: tf.DType) -> None:
    """Raises a Fault if a type cannot hold a whole number exactly, or a finite number as a finite one."""
    whole = 2 ** (np.finfo(dtype.as_numpy_dtype).nmant + 1) - 1
    wide = np.abs(np.array(values, dtype=np.float64))
    suspects = np.flatnonzero((wide > whole) & np.isfinite(wide))
    for value in (values[int(index)] for index in suspects):
        if type(value) is int or abs(value) > float(dtype.max):
            raise invalid(
                f"Cannot convert JSON value: {_short(value)} of input '{name}' to {dtype.name} without loss of "
                "precision."
            )


def _wrong_type(value: Any, name: str, dtype: tf.DType) -> Fault:
    return invalid(f"JSON Value: {_short(value)} of input '{name}' is not of expected type: {dtype.name}")


def _short(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"a JSON {'list' if isinstance(value, list) else 'object'} of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def to_json(array: np.ndarray, name: str) -> Any:
    """Converts an array to values for `json.dumps`.

    Strings become base64 objects if the name of the output ends in `_bytes`, and text otherwise. Floats get the fewest
    digits from which their type reads the same number.

    Example:
        >>> to_json(np.array([0.1, 3], np.float32), "probabilities")
        [0.1, 3.0]
    """
    if array.dtype == object:
        pack = _packed if name.endswith("_bytes") else _text
        flat = np.empty(array.size, dtype=object)
        flat[:] = [pack(value) for value in array.ravel()]
        return flat.reshape(array.shape).tolist()
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return array.astype(str).astype(np.float64).tolist()
    if array.dtype.kind not in "fiub":
        raise invalid(f"Failed to write JSON value for output '{name}' of type: {array.dtype.name}.")
    return array.tolist()


def _packed(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
