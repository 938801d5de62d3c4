"""Engines: what runs a frozen part of a model over many images, one file each: TensorFlow, OpenVINO, ONNX Runtime.

It may import `_keras` and what is below it; it knows models and arrays, and no data set.
"""

from keras_transfer._arguments import Choice
from keras_transfer.engines import onnxruntime, openvino, tensorflow
from keras_transfer.engines.choosing import Chosen, Runner, choose
from keras_transfer.engines.engine import ENGINES, Engine, Run

ENGINE = Choice("auto", *ENGINES.names())  # what an argument `engine` may be

__all__ = ["ENGINE", "ENGINES", "Chosen", "Engine", "Run", "Runner", "choose", "onnxruntime", "openvino", "tensorflow"]
