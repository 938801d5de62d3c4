"""Where a model is split for caching: after its longest frozen part."""

from __future__ import annotations

import keras

from keras_transfer._keras.graph import nodes_before
from keras_transfer.models.stages import stages
from keras_transfer.schedules.parts import HEAD, Unfrozen, open_parts

FEATURES = "features"


def frozen_cut(model: keras.Model, unfrozen: Unfrozen) -> str | None:
    """Returns the name of the first open part of a model, the argument `at` of `split`.

    It is "features" if only the head is open and the pooling has no weights, so that the pooled vector can be cached.
    It is None if the first stage is open, so that nothing can be cached.
    """
    names = stages(model)
    first = open_parts(names, unfrozen)[0]
    if first == names[0]:
        return None
    return FEATURES if first == HEAD and not _pooling_learns(model) else first


def in_order(model: keras.Model, cuts: set[str]) -> list[str]:
    """Returns names of cuts in order, from input to output."""
    return [cut for cut in (*stages(model), HEAD, FEATURES) if cut in cuts]


def _pooling_learns(model: keras.Model) -> bool:
    """Returns whether a layer between the last stage and `features` has weights or is random."""
    last = model.get_layer(f"stage_{stages(model)[-1]}").output
    before = {id(node) for node in nodes_before(model, last)}
    pooling = [
        node.operation for node in nodes_before(model, model.get_layer(FEATURES).output) if id(node) not in before
    ]
    return any(getattr(operation, "variables", ()) for operation in pooling)
