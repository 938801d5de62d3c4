"""JSON values to tensors and back, by the rules of TF Serving's REST API.

https://www.tensorflow.org/tfx/serving/api_rest and tensorflow_serving/util/json_tensor.cc say what they are. The shape
is read off the first value of each nested list, and all others must agree with it; a JSON number is taken where the
tensor's type can hold it without loss, and nothing is turned into another type.
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
_MAX_RANK = 32  # of an array in NumPy 1; TensorFlow's own limit is 254


def to_array(value: Any, name: str, dtype: tf.DType) -> np.ndarray:
    """Turns a JSON value into an array.

    Args:
        value: a scalar, a list, or lists of lists; strings as text or as `{"b64": "..."}`.
        name: of the input, for errors.
        dtype: of the input.

    Returns:
        The array; of bytes objects for `tf.string`.

    Raises:
        Fault: INVALID_ARGUMENT, if the lists are ragged or a value is of another type.

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
        raise invalid(f"Unable to base64 decode input '{name}': {error}.") from error


def _numbers(values: Sequence[Any], name: str, dtype: tf.DType) -> np.ndarray:
    if dtype.is_floating:
        allowed: set[type] = {int, float}
    elif dtype.is_integer:
        allowed = {int}
    elif dtype.is_bool:
        allowed = {bool}
    else:
        raise Fault(Code.UNIMPLEMENTED, f"Conversion of JSON to type: {dtype.name} of input '{name}'.")
    if not set(map(type, values)) <= allowed:  # the exact type: to Python, true is a kind of 1
        raise _wrong_type(next(value for value in values if type(value) not in allowed), name, dtype)
    if dtype.is_floating:
        _check_lossless(values, name, dtype)
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float64).astype(dtype.as_numpy_dtype)
    return np.array(values, dtype=dtype.as_numpy_dtype)


def _check_lossless(values: Sequence[Any], name: str, dtype: tf.DType) -> None:
    """Whole numbers must be held exactly and finite ones must stay finite."""
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
    """Turns an array into what `json.dumps` takes: bytes of an output named `..._bytes` as base64, else as text.

    Floats are written with the fewest digits that mean the same number in their own type.

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
