"""A model of `build_model` as the backbone of another one: its stages, without its head."""

from __future__ import annotations

import re
from typing import Any

import keras

from keras_transfer.models.backbones.backbone import Backbone
from keras_transfer.models.backbones.copying import copy_network
from keras_transfer.models.stages import marks_of_stages, name_of_mark


def backbone_of(model: keras.Model) -> Backbone:
    """Returns the part of a model up to its last stage, with its weights, as a backbone with the same stages.

    Args:
        model: made by `build_model`, or reloaded.
    """
    marks = marks_of_stages(model)
    cut = keras.Model(model.inputs[0], marks[-1].output)
    ends: list[tuple[str, str]] = []
    made: list[tuple[Any, str]] = []  # each tensor of the copy, and what made it

    def call(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
        if operation.name in names:
            ends.append((names[operation.name], next(name for tensor, name in made if tensor is args[0])))
            return args[0]
        output = operation(*args, **kwargs)
        made.extend((tensor, re.escape(operation.name)) for tensor in keras.tree.flatten(output))
        return output

    names = {mark.name: name_of_mark(mark) for mark in marks}
    images = keras.Input((None, None, model.input_shape[-1]), name="pictures")
    network = copy_network(cut, images, call)
    stages = (*ends[:-1], (ends[-1][0], ""))
    return Backbone(network, image_size=model.input_shape[1], stages=stages)
