"""Stages: where they end in a model, which layers belong to them, and how to split a model between them.

A Keras Identity layer named `stage_NAME` marks the end of each stage in the graph. A reloaded model therefore still has
its stages, even without this package."""

from __future__ import annotations

import keras
from keras import KerasTensor, layers

from keras_transfer._arguments import Kind, takes
from keras_transfer._checks import InputError, unknown
from keras_transfer._keras.graph import Node, crossing, inputs_of, nodes, nodes_before
from keras_transfer.schedules.parts import HEAD

_MARK = "stage_"
TAP = "tap_"  # starts the name of a layer that pools the end of a stage for the head
PADDING = "padding_mask"  # name of the layer that tells, of each place of a text, whether a token is there
_AVERAGES = {3: layers.GlobalAveragePooling1D, 4: layers.GlobalAveragePooling2D, 5: layers.GlobalAveragePooling3D}
MODEL = Kind(keras.Model, "a keras.Model, such as build_model returns")


@takes(model=MODEL)
def stages(model: keras.Model) -> tuple[str, ...]:
    """Returns the names of the backbone's stages, from input to output. It works on reloaded models too.

    Raises:
        InputError: if the model was not made by `build_model`.
    """
    marks = [name_of_mark(mark) for mark in marks_of_stages(model)]
    if not marks:
        raise InputError(
            "Expected a model made by keras_transfer.build_model. Received: "
            f"{type(model).__name__} {getattr(model, 'name', '')!r}, in which no stage is marked. "
            "Pass your network to build_model(backbone=kt.Backbone(network, stages=...), ...)."
        )
    return tuple(marks)


def marks_of_stages(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the Identity layers that mark the ends of stages; none if `build_model` did not make the model."""
    return [layer for layer in getattr(model, "layers", []) if _is_mark(layer)]


def ends_of_stages(tensor: KerasTensor) -> dict[str, KerasTensor]:
    """Returns the outputs of the stages that a tensor is computed from, by their names, from input to output."""
    model = keras.Model(inputs_of(tensor), tensor)
    return {name_of_mark(mark): mark.output for mark in marks_of_stages(model)}


def averaged(tensor: KerasTensor, name: str | None = None) -> KerasTensor:
    """Averages over all places between the batch and the channels: `(batch, ..., channels)` to `(batch, channels)`.

    Of texts, the places where no token is do not count.
    """
    average = _AVERAGES.get(len(tensor.shape), layers.Identity)(name=name)
    real = real_tokens(tensor)
    return average(tensor) if real is None else average(tensor, mask=real)


def real_tokens(tensor: KerasTensor) -> KerasTensor | None:
    """Returns where a text has tokens, int32 `(batch, length)`, of the vectors of tokens; None of other tensors."""
    if len(tensor.shape) != 3:
        return None
    model = keras.Model(inputs_of(tensor), tensor)
    return next((layer.output for layer in model.layers if layer.name == PADDING), None)


def name_of_mark(mark: keras.layers.Layer) -> str:
    """Returns the name of the stage whose end a layer marks."""
    return mark.name.removeprefix(_MARK)


@takes(model=MODEL, at=Kind(str, "the name of a stage, or 'features'"))
def split(model: keras.Model, at: str) -> tuple[keras.Model, keras.Model]:
    """Splits a model into two models that share its weights: `suffix(prefix(x))` equals `model(x)`.

    Args:
        model: a model made by `build_model`.
        at: name of the first stage of the suffix, or "features" for a suffix from the pooled vector to the output.

    Returns:
        `(prefix, suffix)`. If several tensors cross the split, the prefix returns a list of tensors and the suffix
        takes it: in NASNet, and with head="multilayer", where the pooled vectors of earlier stages cross it too. Of a
        model with several inputs, the prefix takes those that come before the split; the suffix takes the tensors that
        cross it and then the other inputs, in a list.

    Raises:
        InputError: if the model has no such stage.
    """
    before = _with_taps(model, nodes_before(model, _start(model, at)))
    made = {id(tensor) for node in before for tensor in node.output_tensors}
    inputs = [tensor for tensor in model.inputs if id(tensor) in made]
    others = [tensor for tensor in model.inputs if id(tensor) not in made]
    cut = crossing(model, before)
    first, second, last = _one_or_all(inputs), _one_or_all([*cut, *others]), _one_or_all(model.outputs)
    return keras.Model(first, _one_or_all(cut), name=f"before_{at}"), keras.Model(second, last, name=f"from_{at}")


def _with_taps(model: keras.Model, before: list[Node]) -> list[Node]:
    """Adds the pooling of earlier stages, where nothing else after the split needs what is pooled."""
    inside = {id(node) for node in before}
    later = [node for node in nodes(model) if id(node) not in inside]
    names = {TAP + name for name in stages(model)}
    kinds = (*_AVERAGES.values(), layers.Identity)  # a layer of the network may have such a name too
    taps = [node for node in later if node.operation.name in names and isinstance(node.operation, kinds)]
    needed = {id(tensor) for node in later if node not in taps for tensor in node.input_tensors}
    made = {id(tensor) for node in before for tensor in node.output_tensors} - needed
    return [*before, *(node for node in taps if id(node.input_tensors[0]) in made)]


def _one_or_all(tensors: list[KerasTensor]) -> KerasTensor | list[KerasTensor]:
    return tensors[0] if len(tensors) == 1 else tensors


def check_one_way(model: keras.Model) -> None:
    """Checks that a model takes images alone and returns one array.

    Raises:
        InputError: if it does not.
    """
    inputs, outputs = (getattr(model, name, None) or [None] for name in ("inputs", "outputs"))
    if len(inputs) == len(outputs) == 1:
        return
    raise InputError(
        f"Expected a model with one input and one output. Received: {len(inputs)} inputs "
        f"{[tensor.name for tensor in inputs]} and {len(outputs)} outputs. For others there are set_trainable, "
        "UnfreezeSchedule, layerwise and split, with Keras' own fit, evaluate and export."
    )


def layers_before(model: keras.Model, at: str) -> list[keras.layers.Layer]:
    """Returns the layers that run before a part: a stage, or "head", which is all layers after the last stage.

    Raises:
        InputError: if the model has no such stage.
    """
    found = [node.operation for node in nodes_before(model, _start(model, at))]
    return [operation for operation in found if isinstance(operation, keras.layers.Layer)]


def layers_by_part(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """Returns the layers of each stage by its name, input to output, then under "head" those after the last stage."""
    parts = (*stages(model), HEAD)
    seen: set[int] = set()
    found = {}
    for part, following in zip(parts, (*parts[1:], None), strict=True):
        upto = layers_before(model, following) if following else model.layers
        found[part] = [layer for layer in upto if id(layer) not in seen]
        seen.update(map(id, found[part]))
    return found


def _start(model: keras.Model, at: str) -> KerasTensor:
    """Returns the input tensor of a stage or of "head"; for "features" the pooled vector."""
    names = stages(model)
    if at == "features":
        return model.get_layer("features").output
    if at == HEAD:
        return model.get_layer(_MARK + names[-1]).output
    if at not in names:
        raise unknown("stage", at, [*names, "features"])
    index = names.index(at)
    return model.get_layer(_MARK + names[index - 1]).output if index else model.inputs[0]


def _is_mark(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, layers.Identity) and layer.name.startswith(_MARK)
