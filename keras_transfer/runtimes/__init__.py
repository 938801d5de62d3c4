"""Other runtimes: an exported version as a file for ONNX Runtime, LiteRT or OpenVINO, published if it agrees."""

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
