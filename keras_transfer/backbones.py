"""Backbones: what must be known of a pretrained network to build on it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

import keras
from keras import KerasTensor, layers

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry

Weights = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its classifier, and what must be known to use it.

    Attributes:
        network: a `keras.Model`, or a constructor that takes `weights`, `input_shape` and options and returns one.
        preprocess: function of an image tensor in [0, 255] that gives what the network was trained on; None for a
            network that takes [0, 255] itself.
        image_size: default height and width in pixels.
        min_image_size: smallest height and width the network can take.
        stages: name of each stage and where it ends, input to output; the last one ends with the network. An end is
            a layer's name (a regular expression, the last layer that matches), "before NAME" (the input of that
            layer) or "CLASS #2" (the second layer of that class). Empty for one stage called "backbone".

    Example:
        >>> images = keras.Input((None, None, 3))
        >>> edges = keras.layers.Conv2D(8, 3, name="edges")(images)
        >>> parts = keras.layers.Conv2D(16, 3, name="parts")(edges)
        >>> own = Backbone(keras.Model(images, parts), lambda x: x / 255, 32, stages=(("early", "edges"), ("late", "")))
        >>> own.image_size
        32
    """

    network: keras.Model | Callable[..., keras.Model]
    preprocess: Callable[[KerasTensor], KerasTensor] | None = None
    image_size: int = 224
    min_image_size: int = 1
    stages: tuple[tuple[str, str], ...] = field(default=(("backbone", ""),))

    def build(self, weights: Weights, image_size: tuple[int, int], options: Mapping[str, Any] | None) -> keras.Model:
        """Returns the network for images `(height, width)`, with its weights.

        Raises:
            InputError: if the weights cannot be found, downloaded or loaded, or an option is not the constructor's.
        """
        if isinstance(self.network, keras.Model):
            if options:
                raise InputError(f"Expected no `backbone_options` with a model of your own. Received: {options!r}.")
            if weights not in ("imagenet", None):
                _load(self.network, _existing(weights))
            return self.network
        if weights is not None and weights != "imagenet":
            weights = _existing(weights)
        try:
            return self.network(weights=weights, input_shape=(*image_size, 3), **(options or {}))
        except InputError:
            raise
        except TypeError as error:
            raise InputError(f"Expected `backbone_options` of {_name(self.network)}. {error}") from error
        except Exception as error:
            raise _weights_error(_name(self.network), weights, options, error) from error


BACKBONES: Registry[Backbone] = Registry("backbone")


def _existing(weights: str | os.PathLike[str]) -> str:
    path = Path(weights).expanduser()
    if not path.is_file():
        raise InputError(
            "Expected `weights` to be 'imagenet', None or a file of weights. "
            f"Received: weights={str(weights)!r}, which is not a file."
        )
    return str(path)


def _load(network: keras.Model, path: str) -> None:
    try:
        network.load_weights(path)
    except Exception as error:
        raise _weights_error(network.name, path, None, error) from error


def _name(network: Callable[..., keras.Model]) -> str:
    args = getattr(network, "args", ())
    return args[0] if args else getattr(network, "func", network).__name__


def _weights_error(name: str, weights: Weights, options: object, error: Exception) -> Exception:
    """Says in a sentence what Keras' error means to the one who passed `weights`."""
    no_network = isinstance(error, (OSError, HTTPException)) or "URL fetch failure" in str(error)
    if weights == "imagenet" and no_network:
        return InputError(
            f"The ImageNet weights of {name} are not in Keras' cache and cannot be downloaded here ({error}). "
            "Pass weights=FILE with weights you downloaded elsewhere, or weights=None to start from scratch."
        )
    if weights is None or weights == "imagenet":
        return InputError(f"Keras cannot build {name} with backbone_options={options!r}: {error}")
    reason = str(error).strip().splitlines()[0][:300]
    return InputError(
        f"Expected `weights` of {name} without its classifier, with backbone_options={options!r}. Received: "
        f"weights={os.fspath(weights)!r}, which do not fit: {reason}"
    )


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
    for layer in copy._flatten_layers():
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
