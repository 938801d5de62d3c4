"""Other runtimes: converts an exported version to a file for ONNX Runtime, LiteRT or OpenVINO.

A file is published only if its outputs agree with those of the SavedModel.
"""

from keras_transfer.runtimes import litert, onnx, openvino
from keras_transfer.runtimes.converting import compare_runtimes, convert
from keras_transfer.runtimes.formats import FORMATS, Format, Tolerance
from keras_transfer.runtimes.report import RuntimeReport, RuntimeResult

__all__ = [
    "FORMATS",
    "Format",
    "RuntimeReport",
    "RuntimeResult",
    "Tolerance",
    "compare_runtimes",
    "convert",
    "litert",
    "onnx",
    "openvino",
]
