"""Copies of functional networks with their weights, and the tensors at the ends of their stages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, layers

from keras_transfer._checks import InputError
from keras_transfer._keras.graph import inputs_of, run_through
from keras_transfer._keras.still import layers_inside


def end_of_stage(network: keras.Model, end: str) -> KerasTensor:
    """Returns the tensor at the end of a stage. `Backbone.stages` describes the notation of `end`.

    Raises:
        InputError: if no layer matches.
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


_OF_LAYERS = ("name", "trainable", "dtype")  # what the constructor of each of Keras' layers takes


def _like(operation: keras.Operation, configured: Callable[[Any], Any] | None) -> keras.Operation:
    """Makes an operation of the same class and settings, also where the constructor takes no `name` or `trainable`."""
    kind, config = type(operation), operation.get_config()
    if configured is not None:
        config = configured(config)
    try:
        made = kind.from_config(config)
        if "get_config" in vars(operation):
            _limit_config(made, set(config))
        return made
    except TypeError:
        parameters = inspect.signature(kind).parameters
        open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
        taken = {*parameters, *(_OF_LAYERS if open_ended else ())}
        made = kind(**{name: value for name, value in config.items() if name in taken})
        made.name = operation.name
        if open_ended:  # a file with the copy can then be loaded, as one with the original cannot
            _limit_config(made, taken)
        return made


def _limit_config(operation: keras.Operation, names: set[str]) -> None:
    """Makes the config of an operation hold these names alone."""
    own = operation.get_config
    vars(operation)["get_config"] = lambda: {name: value for name, value in own().items() if name in names}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _add_lora(layer: layers.Layer, copy: layers.Layer) -> None:
    """Gives the layers inside a copy the matrices of LoRA that those of the layer have: no config tells of them."""
    changed = {id(part): part for part in layers_inside(layer)[1:] if getattr(part, "lora_enabled", False)}
    if changed:
        for own, twin in zip(layers_inside(layer)[1:], layers_inside(copy)[1:], strict=True):
            if id(own) in changed and not twin.lora_enabled:
                twin.enable_lora(own.lora_rank, lora_alpha=own.lora_alpha)


def as_it_is(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
    """Applies an operation, and nothing else: the `call` of a plain copy."""
    return operation(*args, **kwargs)


def own_weights(layer: layers.Layer) -> list[np.ndarray]:
    """Returns the weights of a layer."""
    return layer.get_weights()


_RESERVED = {"images", "features", "logits", "predictions"}


def copy_network(
    network: keras.Model,
    inputs: KerasTensor | Sequence[KerasTensor],
    call: Callable[..., Any],
    fitted: Callable[[np.ndarray, tuple[int, ...]], np.ndarray] | None = None,
    configured: Callable[[Any], Any] | None = None,
    weights: Callable[[layers.Layer], list[np.ndarray]] = own_weights,
) -> keras.Model:
    """Copies a functional network onto other inputs, with its weights.

    Args:
        network: the functional network.
        inputs: what the copy is laid on: a tensor for each of the network's inputs, which layers may have made.
        call: function `(operation, *args, **kwargs)` that applies an operation of the copy and returns its output. It
            is called for each operation, in the order of the graph.
        fitted: function `(values, shape)` that makes weights of a layer fit their copy; by default they are the same.
        configured: function of the config of an operation that returns the one of its copy.
        weights: function of a layer that returns the weights of its copy; by default its own.
    """
    twins: dict[int, keras.Operation] = {}

    def twin(operation: keras.Operation) -> keras.Operation:
        if id(operation) not in twins:
            try:
                twins[id(operation)] = _like(operation, configured)
            except (TypeError, ValueError, NotImplementedError) as error:
                kind = type(operation).__name__
                raise InputError(
                    f"Expected layers that Keras can copy, since freezing would change your own network. Received: "
                    f"{operation.name!r}, a {kind} without a usable get_config ({_first_line(error)}). Give {kind} a "
                    "get_config that returns the arguments of its constructor."
                ) from error
        return twins[id(operation)]

    outputs = run_through(network, keras.tree.flatten(inputs), twin, call)
    sources = inputs_of(keras.tree.flatten(outputs)[0])
    copy = keras.Model(sources[0] if len(sources) == 1 else sources, outputs, name=network.name)
    copied = {layer.name: layer for layer in copy.layers}
    for layer in network.layers:
        if layer.weights and layer.name in copied:  # `call` may leave out an operation
            if weights is own_weights:
                _add_lora(layer, copied[layer.name])
            values, shapes = weights(layer), [tuple(weight.shape) for weight in copied[layer.name].weights]
            if fitted is not None:
                values = [fitted(value, shape) for value, shape in zip(values, shapes, strict=True)]
            copied[layer.name].set_weights(values)
    for layer in layers_inside(copy):
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()  # recomputes the values that it derives from its weights
    return copy


def takes_tokens(model: keras.Model) -> bool:
    """Says whether the input of a model is tokens, whole numbers `(batch, length)`."""
    inputs = keras.tree.flatten(model.inputs)
    return len(inputs) == 1 and len(inputs[0].shape) == 2 and "int" in inputs[0].dtype


def wrap(model: keras.Model, ranks: Sequence[int] = (4,)) -> keras.Model:
    """Returns a user's network as a functional model with one image input and one output.

    Args:
        model: the network.
        ranks: that its input may have: 4 for images, 3 for spectrograms too.

    Raises:
        InputError: if the model is not built, has layers with reserved names, has several inputs or outputs, or does
            not take images.
    """
    if not model.built:
        raise InputError(f"Expected a built model as backbone. Received: {model.name!r}, not built; call it once.")
    taken = [layer.name for layer in model.layers if layer.name in _RESERVED or layer.name.startswith("stage_")]
    if taken:
        raise InputError(
            f"Expected a backbone without layers of the names {sorted(_RESERVED)} or stage_... Received: {taken}. "
            "To reuse a model of build_model, build it again and load its weights, or rename its layers with "
            "keras.models.clone_model."
        )
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs, model.outputs, name=model.name)
    if hasattr(model, "operations"):
        inputs, outputs = keras.tree.flatten(model.inputs), keras.tree.flatten(model.outputs)
        fits = len(inputs) == 1 and (len(inputs[0].shape) in ranks or takes_tokens(model))
        if not fits or len(outputs) != 1:
            raise InputError(
                "Expected a backbone with one input, `(batch, height, width, channels)` or int32 tokens "
                "`(batch, length)`, and one output. Received: "
                f"inputs {[tensor.shape for tensor in inputs]}, outputs {[tensor.shape for tensor in outputs]}."
            )
        return keras.Model(inputs[0], outputs[0], name=model.name)
    images = layers.Input((None, None, 3))
    return keras.Model(images, model(images), name=model.name)
