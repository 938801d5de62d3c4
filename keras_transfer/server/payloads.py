"""Reads and writes the JSON of `:predict`, in the row format ("instances") and the column format ("inputs")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.server.faults import invalid
from keras_transfer.server.tensors import to_array, to_json


@dataclass(frozen=True)
class Question:
    """The parsed body of a `:predict` request.

    Attributes:
        signature_name: name of the signature; "serving_default" if the body names none.
        values: the JSON value of "instances" or "inputs".
        rows: whether the body has "instances", and so the row format.
    """

    signature_name: str
    values: Any
    rows: bool

    def inputs(self, specs: Mapping[str, tf.TensorSpec]) -> dict[str, np.ndarray]:
        """Returns the arrays by the names of a signature's inputs.

        Raises:
            Fault: INVALID_ARGUMENT, if they do not fit the signature.
        """
        named = self._from_instances(specs) if self.rows else self._from_inputs(specs)
        return {name: to_array(value, name, specs[name].dtype) for name, value in named.items()}

    def _from_instances(self, specs: Mapping[str, tf.TensorSpec]) -> dict[str, Any]:
        objects = [_is_object(instance) for instance in self.values]
        if any(objects) != all(objects):
            odd = objects.index(not objects[0])
            raise invalid(f"Expecting {'object' if objects[0] else 'value/list'} at item {odd} of input list")
        if not objects[0]:
            if len(specs) > 1:
                raise invalid(
                    "instances is a plain list, but expecting list of objects as multiple input tensors required: "
                    + ",".join(sorted(specs))
                )
            return dict.fromkeys(specs, self.values)
        for index, instance in enumerate(self.values):
            if instance.keys() != specs.keys():
                raise invalid(
                    f"Failed to process element: {index} of 'instances' list. JSON object with keys: "
                    f"{','.join(sorted(instance))[:200]} keys must be equal to: {','.join(sorted(specs))}"
                )
        return {name: [instance[name] for instance in self.values] for name in specs}

    def _from_inputs(self, specs: Mapping[str, tf.TensorSpec]) -> dict[str, Any]:
        if not _is_object(self.values):
            if len(specs) > 1:
                raise invalid(
                    "inputs is a plain value/list, but expecting an object as multiple input tensors required: "
                    + ",".join(sorted(specs))
                )
            return dict.fromkeys(specs, self.values)
        for name in specs:
            if name not in self.values:
                raise invalid(f"Missing named input: {name} in 'inputs' object.")
        return {name: self.values[name] for name in specs}


def read_question(body: bytes) -> Question:
    """Parses the body of a `:predict` request.

    Raises:
        Fault: INVALID_ARGUMENT, if it is not JSON or does not have the form of a `:predict` request.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {str(error)[:200]}") from None  # its cause would hold the whole body
    if not isinstance(content, dict):
        raise invalid("JSON Value: Is not object")
    signature_name = content.get("signature_name", "")
    if not isinstance(signature_name, str):
        raise invalid("JSON Value: not formatted correctly. 'signature_name' key must be a string value.")
    found = [key for key in ("instances", "inputs") if key in content]
    if len(found) == 2:
        raise invalid("JSON Value: Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if not found:
        raise invalid("Missing 'inputs' or 'instances' key")
    values = content[found[0]]
    if found == ["instances"] and not isinstance(values, list):
        raise invalid("JSON Value: Expecting 'instances' to be an list/array")
    if found == ["instances"] and not values:
        raise invalid("JSON Value: No values in 'instances' array")
    return Question(signature_name or "serving_default", values, found == ["instances"])


def write_answer(outputs: Mapping[str, np.ndarray], rows: bool) -> bytes:
    """Returns the JSON body of an answer. If there is only one output, its name is left out.

    Raises:
        Fault: INVALID_ARGUMENT, if the row format is asked for and the outputs differ in their number of rows.

    Example:
        >>> write_answer({"a": np.array([1, 2]), "b": np.array([True, False])}, rows=True)
        b'{"predictions": [{"a": 1, "b": true}, {"a": 2, "b": false}]}'
    """
    columns = {name: to_json(array, name) for name, array in sorted(outputs.items())}
    if not rows:
        content = {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
        return json.dumps(content).encode("utf-8")
    sizes = {array.shape[0] if array.ndim else None for array in outputs.values()}
    if len(sizes) != 1 or None in sizes:
        raise invalid("The outputs have inconsistent batch sizes. Ask in the column format, with 'inputs'.")
    if len(columns) == 1:
        predictions = next(iter(columns.values()))
    else:
        predictions = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"predictions": predictions}).encode("utf-8")


def _is_object(value: Any) -> bool:
    """Returns whether a value is an object of named tensors; `{"b64": "..."}` is a string instead."""
    return isinstance(value, dict) and not (len(value) == 1 and isinstance(value.get("b64"), str))
