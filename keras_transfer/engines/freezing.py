"""A model or a signature frozen to one graph of constants, which other runtimes convert: the one road to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._keras.constants import flat_constants


@dataclass(frozen=True)
class FrozenGraph:
    """A flat graph without variables.

    Attributes:
        graph: the GraphDef.
        input: name of its input tensor, float32 `(batch, height, width, channels)`.
        outputs: names of its output tensors.
    """

    graph: Any
    input: str
    outputs: tuple[str, ...]


def inference(model: keras.Model | Any) -> Any:
    """Returns the concrete function that runs a model in inference, from any number of images to a list of float32.

    A concrete function is returned as it is.
    """
    if not isinstance(model, keras.Model):
        return model

    def run(images: tf.Tensor) -> list[tf.Tensor]:
        outputs = keras.tree.flatten(model(images, training=False))
        return [tf.cast(tensor, tf.float32) for tensor in outputs]

    signature = tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)
    return tf.function(run).get_concrete_function(signature)  # traced here and never again


def freeze(function: Any) -> FrozenGraph:
    """Freezes a concrete function with one input."""
    graph, given, answered = flat_constants(function)
    return FrozenGraph(graph, given, answered)


def save_frozen(frozen: FrozenGraph, spec: tf.TensorSpec, names: Sequence[str], folder: Path) -> None:
    """Writes a frozen graph as a SavedModel with one signature.

    Args:
        frozen: the graph.
        spec: of its input, with the name that it has in the signature.
        names: of its outputs there.
        folder: to be written.
    """
    flat = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(frozen.graph, name=""), [])
    function = flat.prune([frozen.input], list(frozen.outputs))

    @tf.function(input_signature=[spec], autograph=False)
    def named(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(zip(names, function(images), strict=True))

    holder = tf.Module()
    holder.named = named
    # without gradients: a frozen graph is not trained, and some networks have custom gradients that cannot be saved
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(holder, str(folder), signatures=named, options=options)
