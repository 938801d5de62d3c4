"""ONNX: the format of ONNX Runtime, and an exchange format for many other tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_transfer.engines.onnxruntime import open_session, to_onnx
from keras_transfer.runtimes.formats import Format, Tolerance, register
from keras_transfer.runtimes.frozen import Answer, Frozen


def write(frozen: Frozen, file: Path, calibration: np.ndarray | None = None) -> None:
    """Writes `model.onnx`. Input and output have the names that they have in the version."""
    import onnx

    onnx.save(to_onnx(frozen.graph, [frozen.description.output], frozen.description.kind.tensor), file)


def open_file(file: Path, output: str) -> Answer:
    """Loads the file in ONNX Runtime, to run on all CPU cores. Returns a function from images to outputs."""
    session = open_session(str(file))
    (given,) = session.get_inputs()
    return lambda images: session.run([output], {given.name: images})[0]


register(Format("onnx", "model.onnx", ("tf2onnx", "onnx", "onnxruntime"), "onnx", Tolerance(1e-5), write, open_file))
