"""OpenVINO: the format of Intel's runtime for CPUs, GPUs and accelerators."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_transfer.engines.openvino import PRECISION
from keras_transfer.runtimes.formats import Format, Tolerance, register
from keras_transfer.runtimes.frozen import Answer, Frozen


def write(frozen: Frozen, file: Path, calibration: np.ndarray | None = None) -> None:
    """Writes `model.xml` and `model.bin` with float32 weights. The output has the name it has in the version."""
    import openvino

    model = openvino.Core().read_model(str(frozen.saved_model))  # convert_model would send usage statistics
    openvino.save_model(model, str(file), compress_to_fp16=False)


def open_file(file: Path, output: str) -> Answer:
    """Loads the file on the CPU. Returns a function from images to outputs.

    It computes in float32. OpenVINO's default is bfloat16 on CPUs that support it.
    """
    import openvino

    compiled = openvino.compile_model(str(file), "CPU", PRECISION)
    return lambda images: compiled(images)[output]


register(
    Format("openvino", "model.xml", ("openvino",), "openvino", Tolerance(1e-5), write, open_file),
)
