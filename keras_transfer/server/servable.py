"""Servable: one version of a model, loaded by TensorFlow without Keras, with its signatures as functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from keras_transfer.data.faults import why_undecodable
from keras_transfer.data.formats import FORMATS
from keras_transfer.data.formats.format import HEAD
from keras_transfer.data.formats.naming import image_format
from keras_transfer.data.hearing import why_no_sound
from keras_transfer.data.kinds import kind_described
from keras_transfer.server.faults import Code, Fault, invalid
from keras_transfer.serving.description import DESCRIPTION


@dataclass(frozen=True)
class Signature:
    """One signature of a version, a function with named inputs and outputs.

    Attributes:
        name: name of the signature.
        inputs: shape and type of each input, by name.
        outputs: shape and type of each output, by name.
        function: the TensorFlow function.
    """

    name: str
    inputs: Mapping[str, tf.TensorSpec]
    outputs: Mapping[str, tf.TensorSpec]
    function: Any

    @property
    def joinable(self) -> bool:
        """Whether the first axis of all inputs and outputs is of any size, so that requests can be joined along it."""
        specs = (*self.inputs.values(), *self.outputs.values())
        return bool(self.inputs) and all(spec.shape.rank and spec.shape[0] is None for spec in specs)

    def check(self, inputs: Mapping[str, np.ndarray]) -> int:
        """Checks names, shapes and types of inputs, and returns their number of rows, 1 if rows cannot be joined.

        Raises:
            Fault: INVALID_ARGUMENT, if the inputs do not fit the signature.
        """
        if inputs.keys() != self.inputs.keys():
            extra, missing = sorted(inputs.keys() - self.inputs.keys()), sorted(self.inputs.keys() - inputs.keys())
            raise invalid(
                f"input size does not match signature: {len(inputs)}!={len(self.inputs)}. "
                f"Sent extra: {{{','.join(extra)[:200]}}}. Missing but required: {{{','.join(missing)}}}."
            )
        for name, spec in self.inputs.items():
            array = inputs[name]
            if not spec.shape.is_compatible_with(array.shape):
                raise invalid(f"Input '{name}' has shape {list(array.shape)}, expected {_shape(spec)}.")
            if (tf.string if array.dtype == object else tf.as_dtype(array.dtype)) != spec.dtype:
                raise invalid(f"Input '{name}' has type {array.dtype.name}, expected {spec.dtype.name}.")
        rows = {inputs[name].shape[0] for name in self.inputs} if self.joinable else {1}
        if len(rows) != 1:
            raise invalid(f"The inputs have inconsistent batch sizes: {sorted(rows)}.")
        return rows.pop()

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the function, and returns the outputs as arrays by name.

        Raises:
            Fault: if bytes are no picture.
            tf.errors.OpError: if the function fails of something else.
        """
        tensors = {name: tf.constant(inputs[name], spec.dtype) for name, spec in self.inputs.items()}
        try:
            outputs = self.function(**tensors)
        except tf.errors.InvalidArgumentError as error:
            for name, (noun, why_none) in _CONTENTS.items():
                wrong = [why_none(content) for content in np.ravel(inputs.get(name, np.array([], object)))]
                named = [f"{name}[{row}] is {why}" for row, why in enumerate(wrong) if why]
                if named:
                    raise invalid(f"Expected the bytes of {noun}. Received: {'; '.join(named[:5])}.") from error
            raise
        # the type is given, or NumPy would turn a scalar string into one of fixed length
        return {name: np.asarray(part.numpy(), part.dtype.as_numpy_dtype) for name, part in outputs.items()}


class Servable:
    """One version of a model in memory. Its folder may be deleted once it is loaded.

    Attributes:
        version: number of the version.
        signatures: the signatures by name.
        signature_defs: the signatures as the metadata of TF Serving shows them.
        description: what `export` wrote about the version, such as its class names; empty for other SavedModels.
    """

    def __init__(self, folder: Path, version: int):
        self.version = version
        self.description = _description(folder)
        told = next(iter(self.description.get("tasks", {}).values()), self.description)  # all tasks take the same
        if "kind" in told:
            kind_described(told).prepare_runtime()
        self._module = tf.saved_model.load(str(folder))  # kept, or the signatures would lose their variables
        self.signatures = {name: _signature(name, function) for name, function in self._module.signatures.items()}
        self.signature_defs = _signature_defs(folder)

    def signature(self, name: str, missing: Fault | None = None) -> Signature:
        """Returns the signature of a name.

        Raises:
            Fault: `missing` if it is given, else FAILED_PRECONDITION, if there is no such signature.
        """
        if name not in self.signatures:
            raise missing or Fault(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return self.signatures[name]


def _why_no_picture(content: bytes) -> str | None:
    """Says why bytes are no picture that can be decoded; None if they can."""
    kind = image_format(content[:HEAD])
    if kind is None:
        return f"not a JPEG, PNG, GIF, BMP or WebP: it starts with {content[:12]!r}"
    if FORMATS.find(kind).open is not None:
        return f"{kind}, which the model cannot decode; send PNG, which `keras_transfer.data.as_png(path)` makes of it"
    reason = why_undecodable(lambda: tf.constant(content), 1)
    return None if reason is None else f"a {kind} file that {reason}"


def _why_no_sound(content: bytes) -> str | None:
    """Says why bytes are no sound that can be decoded; None if they can."""
    if content[:4] != b"RIFF":
        return f"not a WAV file: it starts with {content[:12]!r}"
    reason = why_no_sound(content)
    return None if reason is None else f"a WAV file that {reason}"


_CONTENTS = {"image_bytes": ("pictures", _why_no_picture), "audio_bytes": ("sounds", _why_no_sound)}


def _signature(name: str, function: Any) -> Signature:
    return Signature(name, function.structured_input_signature[1], function.structured_outputs, function)


def _signature_defs(folder: Path) -> dict[str, SignatureDef]:
    saved = SavedModel()
    saved.ParseFromString((folder / "saved_model.pb").read_bytes())
    return {name: part for graph in saved.meta_graphs for name, part in graph.signature_def.items()}


def _description(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _shape(spec: tf.TensorSpec) -> str:
    return "[" + ", ".join("batch" if size is None else str(size) for size in spec.shape) + "]"
