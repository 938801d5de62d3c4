"""OpenVINO, Intel's runtime, on the CPU in float32."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.engines.engine import ENGINES, Engine, Run
from keras_transfer.engines.freezing import FrozenGraph, freeze, inference

PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}  # its default is bfloat16 on CPUs that support it
# Parts of a batch run beside each other, each on cores of its own, so that none waits for another where reading images
# takes a core for a while.
_STREAMS = {"PERFORMANCE_HINT": "THROUGHPUT"}


def compile_model(model: keras.Model | Any) -> Run:
    """Converts and compiles a model by the file of a graph that is deleted afterwards."""
    import openvino

    frozen = freeze(inference(model))
    names = [f"output_{index}" for index in range(len(frozen.outputs))]
    with TemporaryDirectory() as folder:
        file = Path(folder, "model.pb")
        file.write_bytes(_with_outputs(frozen, names).SerializeToString())
        compiled = openvino.compile_model(openvino.Core().read_model(file), "CPU", {**PRECISION, **_STREAMS})
    requests = [
        compiled.create_infer_request() for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    ]

    def run(images: np.ndarray) -> list[np.ndarray]:
        parts = [part for part in np.array_split(images, len(requests)) if len(part)]
        running = requests[: len(parts)]
        for request, part in zip(running, parts, strict=True):
            request.start_async([np.ascontiguousarray(part)], share_inputs=True)
        for request in running:
            request.wait()
        # the next call writes into the same memory
        return [np.concatenate([request.get_tensor(f"{name}:0").data for request in running]) for name in names]

    return run


def _with_outputs(frozen: FrozenGraph, names: list[str]) -> Any:
    """Returns a graph that ends in outputs of these names."""
    graph = type(frozen.graph)()
    graph.CopyFrom(frozen.graph)
    for name, output in zip(names, frozen.outputs, strict=True):
        node = graph.node.add(op="Identity", name=name, input=[output])
        node.attr["T"].type = tf.float32.as_datatype_enum
    return graph


ENGINES.register("openvino")(Engine(("openvino",), "openvino", compile_model, 1.5))
