"""ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_transfer.engines.engine import ENGINES, Engine, Run
from keras_transfer.engines.freezing import FrozenGraph, freeze, inference

OPSET = 18
INPUT = "images"


def compile_model(model: keras.Model | Any) -> Run:
    """Converts a model to ONNX and opens it."""
    frozen = freeze(inference(model))
    names = [f"output_{index}" for index in range(len(frozen.outputs))]
    session = open_session(to_onnx(frozen, names).SerializeToString())
    return lambda images: session.run(names, {INPUT: images})


def to_onnx(frozen: FrozenGraph, names: Sequence[str], given: str = INPUT) -> Any:
    """Converts a frozen graph to an ONNX model with an input and outputs of these names."""
    import tf2onnx

    renamed = {frozen.input: given, **dict(zip(frozen.outputs, names, strict=True))}
    model, _ = tf2onnx.convert.from_graph_def(
        _without_erfc(frozen.graph),
        input_names=[frozen.input],
        output_names=list(frozen.outputs),
        tensors_to_rename=renamed,
        opset=OPSET,
    )
    for value in (*model.graph.input[:1], *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model


def open_session(model: str | bytes) -> Any:
    """Opens an ONNX file, or its bytes, to run on all CPU cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


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


ENGINES.register("onnxruntime")(Engine(("onnxruntime", "tf2onnx", "onnx"), "onnx", compile_model, 3.0))
