"""ONNX: the format of ONNX Runtime, and an exchange format for many other tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.runtimes.formats import Format, Tolerance, register
from keras_transfer.runtimes.frozen import INPUT, Answer, Frozen

OPSET = 18


def write(frozen: Frozen, file: Path, calibration: np.ndarray | None = None) -> None:
    """Writes `model.onnx`. Its input is named `images`, and its output has the name it has in the version."""
    import onnx
    import tf2onnx

    model, _ = tf2onnx.convert.from_graph_def(
        _without_erfc(frozen.graph),
        input_names=[frozen.input],
        output_names=[frozen.output],
        tensors_to_rename={frozen.input: INPUT, frozen.output: frozen.description.output},
        opset=OPSET,
    )
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, file)


def open_file(file: Path, output: str) -> Answer:
    """Loads the file in ONNX Runtime, to run on all CPU cores. Returns a function from images to outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run([output], {INPUT: images})[0]


def _without_erfc(graph: Any) -> Any:
    """Replaces erfc(x), which Keras' GELU uses and ONNX does not have, by 1 - erf(x)."""
    changed = type(graph)()
    changed.CopyFrom(graph)
    for node in [node for node in changed.node if node.op == "Erfc"]:
        erf, one = changed.node.add(), changed.node.add()
        erf.CopyFrom(node)
        erf.name, erf.op = f"{node.name}/erf", "Erf"
        one.name, one.op = f"{node.name}/one", "Const"
        one.attr["dtype"].type = node.attr["T"].type
        one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1, node.attr["T"].type))
        node.op = "Sub"
        node.input[:] = [one.name, erf.name]
    return changed


register(Format("onnx", "model.onnx", ("tf2onnx", "onnx", "onnxruntime"), "onnx", Tolerance(1e-5), write, open_file))
