"""The graph of a functional model: calls of operations, and the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
from keras import KerasTensor

Node = Any  # keras.src.ops.node.Node: one call of an operation, with its tensors


def functional(model: keras.Operation) -> keras.Model | None:
    """Returns a functional model for `model`, or None if there is none.

    For a Sequential model this is the functional model inside it. A functional model is returned as it is.
    """
    inner = getattr(model, "_functional", None) if isinstance(model, keras.Sequential) else model
    return inner if hasattr(inner, "_nodes_by_depth") else None


def nodes(model: keras.Model) -> list[Node]:
    """Returns the calls in a functional model, sorted so that each comes after the calls it depends on."""
    by_depth = model._nodes_by_depth
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def nodes_before(model: keras.Model, end: KerasTensor) -> list[Node]:
    """Returns the calls that are needed to compute the tensor `end`, inputs first."""
    everything = nodes(model)
    producer = {id(tensor): node for node in everything for tensor in node.output_tensors}
    needed: set[int] = set()
    waiting = [producer[id(end)]]
    while waiting:
        node = waiting.pop()
        if id(node) not in needed:
            needed.add(id(node))
            waiting += [producer[id(tensor)] for tensor in node.input_tensors if id(tensor) in producer]
    return [node for node in everything if id(node) in needed]


def inputs_of(tensor: KerasTensor) -> list[KerasTensor]:
    """Returns the inputs that a tensor is computed from.

    Keras' own `get_source_inputs` goes every way back by itself, of which 50 residual blocks have 2**50.
    """
    found: dict[int, KerasTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        operation, place, _ = one._keras_history
        node = operation._inbound_nodes[place]
        if node.is_input:
            found[id(one)] = one
        else:
            waiting += node.input_tensors
    return list(found.values())


def run_through(
    model: keras.Model,
    inputs: Sequence[KerasTensor],
    operation: Callable[[keras.Operation], keras.Operation],
    call: Callable[..., Any],
) -> Any:
    """Lays the calls of a functional model onto other inputs, and returns the outputs.

    Args:
        model: the functional model.
        inputs: one tensor for each of its inputs, which other layers may have made.
        operation: returns the operation that takes the place of one of the model.
        call: `(operation, *args, **kwargs)`, returns the output of such an operation.
    """
    return model._run_through_graph(inputs, operation, call)


def crossing(model: keras.Model, before: Iterable[Node]) -> list[KerasTensor]:
    """Returns the outputs of the calls in `before` that other calls of the model use as inputs."""
    before = list(before)
    inside = {id(node) for node in before}
    used = {id(tensor) for node in nodes(model) if id(node) not in inside for tensor in node.input_tensors}
    return [tensor for node in before for tensor in node.output_tensors if id(tensor) in used]
