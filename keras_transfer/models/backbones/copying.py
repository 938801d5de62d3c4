"""Copies of networks: a functional network laid out anew, with its weights, and the ends of its stages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
from keras import KerasTensor, layers

from keras_transfer._checks import InputError
from keras_transfer._keras.still import layers_inside


def end_of_stage(network: keras.Model, end: str) -> KerasTensor:
    """Finds the tensor with which a stage ends; see `Backbone.stages` for the notation.

    Raises:
        InputError: if no layer fits.
    """
    if not end:
        return network.output
    if end.startswith("before "):
        matches = [layer.input for layer in network.layers if layer.name.endswith(end.removeprefix("before "))]
        index = 0
    elif " #" in end:
        kind, position = end.split(" #")
        matches = [layer.output for layer in network.layers if type(layer).__name__ == kind]
        index = int(position) - 1
    else:
        matches = [layer.output for layer in network.layers if re.fullmatch(end, layer.name)]
        index = -1
    try:
        return matches[index]
    except IndexError:
        names = [layer.name for layer in network.layers]
        raise InputError(
            f"Expected the end of a stage to name a layer of {network.name!r}. Received: {end!r}. "
            f"Its last layers are {names[-5:]}."
        ) from None


_RESERVED = {"images", "features", "logits", "predictions"}


def copy_network(network: keras.Model, images: KerasTensor, call: Callable[..., Any]) -> keras.Model:
    """Copies a functional network onto the input `images`, with its weights.

    Args:
        network: the functional network.
        images: the input of the copy, or None for one like the network's.
        call: function `(operation, *args, **kwargs)` that runs each operation of the copy, in the order of the graph.
    """
    twins: dict[int, keras.Operation] = {}

    def twin(operation: keras.Operation) -> keras.Operation:
        if id(operation) not in twins:
            try:
                twins[id(operation)] = type(operation).from_config(operation.get_config())
            except (TypeError, ValueError, NotImplementedError):
                twins[id(operation)] = operation  # one of the user's own that Keras cannot copy is shared
        return twins[id(operation)]

    copy = keras.models.clone_model(network, input_tensors=images, clone_function=twin, call_function=call)
    for layer in network.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    for layer in layers_inside(copy):
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()  # it computes with values derived from its weights
    return copy


def wrap(model: keras.Model) -> keras.Model:
    """Gives a network of the user's own the form of those in the table: functional, one image input, one output.

    Raises:
        InputError: if the model takes or returns several tensors, or not images.
    """
    if not model.built:
        raise InputError(f"Expected a built model as backbone. Received: {model.name!r}, not built; call it once.")
    taken = [layer.name for layer in model.layers if layer.name in _RESERVED or layer.name.startswith("stage_")]
    if taken:
        raise InputError(
            f"Expected a backbone without layers of the names {sorted(_RESERVED)} or stage_... Received: {taken}. "
            "To go on from a model of build_model, load its weights, or rename its layers by keras.models.clone_model."
        )
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if hasattr(model, "operations"):
        inputs, outputs = keras.tree.flatten(model.inputs), keras.tree.flatten(model.outputs)
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
            raise InputError(
                "Expected a backbone with one input `(batch, height, width, channels)` and one output. Received: "
                f"inputs {[tensor.shape for tensor in inputs]}, outputs {[tensor.shape for tensor in outputs]}."
            )
        return keras.Model(inputs[0], outputs[0], name=model.name)
    images = layers.Input((None, None, 3))
    return keras.Model(images, model(images), name=model.name)
