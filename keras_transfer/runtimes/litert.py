"""LiteRT (formerly TensorFlow Lite), for phones and small devices: in float32, with float16 weights, and in int8."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_transfer.runtimes.formats import Format, Tolerance, register
from keras_transfer.runtimes.frozen import Answer, Frozen


def write(frozen: Frozen, file: Path, calibration: np.ndarray | None = None, *, weights: str = "float32") -> None:
    """Writes `model.tflite`. Its one signature takes `images`, and returns the output under its name in the version.

    Input and output are always float32. With `weights="int8"` all layers compute in int8, weights and activations. Each
    channel of the weights and each activation has its own scale; the scales of activations are measured on the
    calibration pictures (Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", 2018, https://arxiv.org/abs/1712.05877).
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(frozen.saved_model))
    if weights != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if weights == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if weights == "int8" and calibration is not None:
        given = frozen.description.kind.tensor
        converter.representative_dataset = lambda: ({given: image[np.newaxis]} for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]  # else an error
    file.write_bytes(converter.convert())


def open_file(file: Path, output: str) -> Answer:
    """Loads the file in LiteRT, to run on all CPU cores. Returns a function from images to outputs."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(file), num_threads=os.cpu_count()).get_signature_runner()
    (name,) = runner.get_input_details()
    return lambda images: runner(**{name: images})[output]


_format = partial(Format, file="model.tflite", packages=("ai_edge_litert",), extra="litert", open=open_file)
register(_format("litert", tolerance=Tolerance(1e-5), write=write))
register(_format("litert_float16", tolerance=Tolerance(5e-2, 5e-3, 0.98), write=partial(write, weights="float16")))
register(
    _format("litert_int8", tolerance=Tolerance(1, 5e-2, 0.9), write=partial(write, weights="int8"), calibrated=True)
)
