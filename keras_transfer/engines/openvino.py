"""OpenVINO, Intel's runtime, on the CPU in float32."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_transfer.engines.engine import ENGINES, Engine, Run
from keras_transfer.engines.freezing import freeze, inference, save_frozen

PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}  # its default is bfloat16 on CPUs that support it


def compile_model(model: keras.Model | Any) -> Run:
    """Converts and compiles a model by a SavedModel that is deleted afterwards."""
    import openvino

    function = inference(model)
    frozen = freeze(function)
    names = [f"output_{index}" for index in range(len(frozen.outputs))]
    with TemporaryDirectory() as folder:
        spec = tf.TensorSpec(function.inputs[0].shape, tf.float32, name="images")
        save_frozen(frozen, spec, names, Path(folder))
        compiled = openvino.compile_model(openvino.Core().read_model(folder), "CPU", PRECISION)

    def run(images: np.ndarray) -> list[np.ndarray]:
        answered = compiled(images)
        return [answered[name].copy() for name in names]  # the next call writes into the same memory

    return run


ENGINES.register("openvino")(Engine(("openvino",), "openvino", compile_model, 2.0))
