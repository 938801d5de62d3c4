"""Where a model is cut: after the longest frozen part."""

from __future__ import annotations

import keras

from keras_transfer._keras.graph import nodes_before
from keras_transfer.models.stages import stages
from keras_transfer.schedules.parts import HEAD, Unfrozen, open_parts

FEATURES = "features"


def frozen_cut(model: keras.Model, unfrozen: Unfrozen) -> str | None:
    """Returns where the part of a model that is open begins: the `at` of `split`, or None if all of it is open.

    Where the head alone is open and its pooling learns nothing, that is behind the pooling.
    """
    names = stages(model)
    first = open_parts(names, unfrozen)[0]
    if first == names[0]:
        return None
    return FEATURES if first == HEAD and not _pooling_learns(model) else first


def in_order(model: keras.Model, cuts: set[str]) -> list[str]:
    """Sorts cuts from the input to the output."""
    return [cut for cut in (*stages(model), HEAD, FEATURES) if cut in cuts]


def _pooling_learns(model: keras.Model) -> bool:
    """Says whether anything between the last stage and `features` has weights or is random."""
    last = model.get_layer(f"stage_{stages(model)[-1]}").output
    before = {id(node) for node in nodes_before(model, last)}
    pooling = [
        node.operation for node in nodes_before(model, model.get_layer(FEATURES).output) if id(node) not in before
    ]
    return any(getattr(operation, "variables", ()) for operation in pooling)
