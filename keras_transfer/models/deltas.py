"""Deltas: what training has changed of a network, in a small file beside a base that many tasks share."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_transfer._arguments import PATH, takes
from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import placed
from keras_transfer._keras.still import is_still, layers_inside
from keras_transfer._version import __version__
from keras_transfer.models.building import build_model
from keras_transfer.models.copies import copy_model
from keras_transfer.models.heads import HEADS
from keras_transfer.models.origins import (
    Origin,
    classes_of,
    origin_of,
    remember,
    remember_classes,
    remember_range,
)
from keras_transfer.models.pooling import POOLINGS
from keras_transfer.models.stages import MODEL, check_one_way, layers_by_part, stages
from keras_transfer.models.tuning.lora import was_merged
from keras_transfer.models.tuning.tuning import ADDED, TUNINGS, is_known, tuned, tuning_of
from keras_transfer.schedules.parts import HEAD

_KEY, _FORM = "keras_transfer_delta", 1
Variables = dict[str, keras.Variable]


@takes(model=MODEL, file=PATH)
def save_delta(model: keras.Model, file: str | os.PathLike[str]) -> Path:
    """Writes what was trained of a model to a file, without the network that it was trained from.

    These are the head and, of a model with a tuning, what the tuning trains; of another one all weights that are
    trainable now. The file has the form of safetensors, with the hash of all other weights, which are the base. Its
    size is that of what was trained: kilobytes for a head, a few hundred for a LoRA of a small network.

    Args:
        model: a model made by `build_model` or `tuned`.
        file: such as "photos.delta". A file that is there is replaced once the new one is whole.

    Returns:
        The path of the file.

    Raises:
        InputError: if safetensors is not installed, or Keras has changed the base of a LoRA when it saved the model.
        DiskError: if the file cannot be written.
    """
    from_file = _safetensors()
    check_one_way(model)
    stages(model)
    trained, rest = _parts(model)
    if was_merged(model):
        raise InputError(
            "Expected a model whose base is as it was. Received: one that was read from a .keras file, in which Keras "
            "has computed the matrices of LoRA into the kernels. Call save_delta before model.save, or keep the "
            ".keras file itself."
        )
    tuning, origin = tuning_of(model), origin_of(model)
    if tuning is not None and not is_known(model):
        raise InputError(
            f"Expected a model that knows the values of its tuning. Received: one with {tuning.name!r} that Keras has "
            "read. Read the file by kt.load_model."
        )
    told = {
        "form": _FORM,
        "keras_transfer": __version__,
        "base": _hash(rest),
        "backbone": origin.backbone if origin else model.name,
        "weights": origin.weights if origin else "",
        "pooling": origin.pooling if origin else "",
        "head": origin.head if origin else "",
        "outputs": model.output_shape[-1],
        "activation": model.layers[-1].activation.__name__,
        "tuning": None if tuning is None else {"name": tuning.name, "values": tuning.values()},
        "class_names": classes_of(model),
        "pixel_range": getattr(model, "pixel_range", None),
    }
    path = Path(file).expanduser()
    arrays = {name: np.ascontiguousarray(keras.ops.convert_to_numpy(value)) for name, value in trained.items()}
    with placed(path.parent, path.name) as staging:
        from_file.save_file(arrays, staging / path.name, {_KEY: json.dumps(told)})
    return path


@takes(base_model=MODEL, file=PATH)
def apply_delta(base_model: keras.Model, file: str | os.PathLike[str]) -> keras.Model:
    """Returns the model that a delta was written from, made of its base.

    Args:
        base_model: a model made by `build_model` with the weights that the model was trained from; its head and its
            classes do not matter, unless the delta has a head of one's own, which the base must have too. It stays as
            it is.
        file: of `save_delta`.

    Returns:
        A new model, not compiled, that knows its classes.

    Raises:
        InputError: if safetensors is not installed, the file is no delta, or it belongs to another base.
        DiskError: if the file cannot be read.
    """
    path = Path(file).expanduser()
    told, arrays = _read(path)
    if tuning_of(base_model) is not None:
        raise InputError(f"Expected a base without a tuning. Received: one with {tuning_of(base_model)!r}.")
    model = _with_head(base_model, told, arrays)
    if told["tuning"] is not None:
        model = tuned(model, TUNINGS.find(told["tuning"]["name"])(**told["tuning"]["values"]))
    every = _named(model)
    strangers = sorted(name for name in arrays if name not in every or every[name].shape != arrays[name].shape)
    if strangers:
        there = {name: tuple(every[name].shape) for name in strangers if name in every}
        raise InputError(
            f"Expected a delta for this network. Received: {path.name!r}, of {told['backbone']!r}, whose "
            f"{strangers[0]!r} has shape {arrays[strangers[0]].shape}, and here {there.get(strangers[0], 'is none')}."
        )
    base = _hash({name: variable for name, variable in every.items() if name not in arrays})
    if base != told["base"]:
        raise InputError(
            f"Expected the base that the delta was trained from: {told['backbone']!r} with weights "
            f"{told['weights']!r}, hash {told['base'][:12]}. Received: a network with hash {base[:12]}, whose weights "
            "differ."
        )
    for name, values in arrays.items():
        every[name].assign(values)
    origin = origin_of(base_model)
    remember(
        model,
        Origin(
            told["backbone"], told["weights"], told["pooling"], told["head"], dict(origin.options) if origin else {}
        ),
    )
    if told["class_names"]:
        remember_classes(model, told["class_names"])
    if told["pixel_range"]:
        remember_range(model, tuple(told["pixel_range"]))
    return model


def _with_head(base_model: keras.Model, told: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> keras.Model:
    """Returns a copy of the base with a head for the delta: its own if that fits, or one by name."""
    backbone, head = _split(base_model)
    origin = origin_of(base_model)
    own = {name: tuple(variable.shape) for name, variable in head.items()}
    brought = {name: values.shape for name, values in arrays.items() if name not in backbone}
    brought = {name: shape for name, shape in brought.items() if not name.startswith(ADDED)}
    same = base_model.layers[-1].activation.__name__ == told["activation"] and own == brought
    if same and origin is not None and (origin.pooling, origin.head) == (told["pooling"], told["head"]):
        return copy_model(base_model)
    if told["head"] not in HEADS.names() or told["pooling"] not in POOLINGS.names():
        raise InputError(
            f"Expected a base with the pooling {told['pooling']!r} and the head {told['head']!r} of the delta, which "
            "are not known by name. Build the base with them."
        )
    return build_model(
        base_model,
        told["outputs"],
        pooling=told["pooling"],
        head=told["head"],
        activation=told["activation"],
        image_size=tuple(base_model.input_shape[1:3]),
        channels=base_model.input_shape[-1],
    )


def _parts(model: keras.Model) -> tuple[Variables, Variables]:
    """Returns the variables that were trained, and all others."""
    backbone, head = _split(model)
    tuning = tuning_of(model)
    opened: set[int] = set()
    for layer in _backbone_layers(model):
        for part in layers_inside(layer):
            if tuning is not None:
                opened.update(map(id, tuning.opened(part)))
            elif part.trainable:
                opened.update(id(each) for each in part.weights if each.trainable or not is_still(part))
    trained = {name: each for name, each in backbone.items() if id(each) in opened}
    return {**trained, **head}, {name: each for name, each in backbone.items() if id(each) not in opened}


def _split(model: keras.Model) -> tuple[Variables, Variables]:
    """Returns the variables of the backbone and of the head, by their names."""
    backbone = {id(each) for layer in _backbone_layers(model) for each in layer.weights}
    every = _named(model)
    return (
        {name: each for name, each in every.items() if id(each) in backbone},
        {name: each for name, each in every.items() if id(each) not in backbone},
    )


def _backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for part, inside in layers_by_part(model).items() if part != HEAD for layer in inside]


def _named(model: keras.Model) -> Variables:
    """Returns all weights by the name of their layer and their place in it."""
    found: Variables = {}
    for layer in model.layers:
        for place, variable in enumerate(layer.weights):
            found[f"{layer.name}/{place}"] = variable
    return found


def _hash(variables: Variables) -> str:
    found = blake2b(digest_size=16)
    for name, variable in sorted(variables.items()):
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(variable))
        found.update(f"{name} {values.dtype} {values.shape}".encode())
        found.update(values.data)
    return found.hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from_file = _safetensors()
    if not path.is_file():
        raise InputError(f"Expected a file of save_delta. Received: {str(path)!r}, which is not there.")
    try:
        from safetensors import safe_open

        with safe_open(str(path), framework="numpy") as opened:
            told = json.loads((opened.metadata() or {})[_KEY])
        arrays = from_file.load_file(path)
    except OSError as error:
        raise DiskError(f"{str(path)!r} cannot be read: {error}.") from error
    except Exception as error:  # whatever the library raises for a file of another form
        raise InputError(
            f"Expected a file of save_delta. Received: {str(path)!r}, which is none, or damaged ({error})."
        ) from error
    if told.get("form") != _FORM:
        raise InputError(f"Expected a delta of form {_FORM}. Received: {told.get('form')!r}, of another version.")
    return told, arrays


def _safetensors() -> Any:
    try:
        from safetensors import numpy
    except ImportError as error:
        raise InputError("Expected safetensors, for deltas: pip install 'keras-transfer[delta]'.") from error
    return numpy
