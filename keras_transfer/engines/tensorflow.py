"""TensorFlow itself: the engine that is always there, and by which the others are measured."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from keras_transfer.engines.engine import ENGINES, Engine, Run
from keras_transfer.engines.freezing import inference


def compile_model(model: keras.Model | Any) -> Run:
    """Traces a model once, for batches of any size."""
    run = inference(model)
    return lambda images: [tensor.numpy() for tensor in run(tf.convert_to_tensor(images))]


ENGINES.register("tensorflow")(Engine(("tensorflow",), "", compile_model))
