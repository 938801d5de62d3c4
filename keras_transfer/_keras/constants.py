"""A TensorFlow function as one flat graph: variables become constants, and inner functions are inlined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.framework import convert_to_constants
from tensorflow.python.grappler import tf_optimizer

_KEEP_APART = ("_XlaMustCompile", "_noinline")


def flat_constants(function: Any) -> tuple[tf.compat.v1.GraphDef, str, tuple[str, ...]]:
    """Returns a concrete function as a flat graph, and the names of its input and output tensors.

    The function must have one input. It is what TensorFlow's `convert_variables_to_constants_v2` makes, without the
    function that it builds of the graph afterwards, which takes four fifths of its time.
    """
    found = convert_to_constants._FunctionConverterDataInEager(function, True, False)  # inlined, where that is safe
    graph, _ = convert_to_constants._replace_variables_by_constants(found)
    captured = {id(tensor) for tensor in function.graph.internal_captures}
    (given,) = [tensor for tensor in function.inputs if id(tensor) not in captured]
    answered = tuple(tensor.name for tensor in function.outputs)
    return _needed(_flat(graph, answered), answered), given.name, answered


def _flat(graph: Any, outputs: Sequence[str]) -> Any:
    """Inlines all functions of a graph, including those marked for separate compilation by XLA."""
    if not graph.library.function:
        return graph
    for attributes in (part.attr for part in (*graph.node, *graph.library.function, *_inner_nodes(graph))):
        for name in _KEEP_APART:
            attributes.pop(name, None)
    meta_graph = meta_graph_pb2.MetaGraphDef()
    meta_graph.graph_def.CopyFrom(graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(outputs)  # the nodes that Grappler must keep
    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.optimizers.append("function")
    config.graph_options.rewrite_options.min_graph_nodes = -1
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _needed(graph: Any, outputs: Sequence[str]) -> Any:
    """Leaves out the nodes that no output needs: runtimes take those that nothing follows for outputs too."""
    nodes = {node.name: node for node in graph.node}
    kept: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name not in kept:
            kept.add(name)
            waiting += nodes[name].input
    found = type(graph)()
    found.CopyFrom(graph)
    del found.node[:]
    found.node.extend(node for node in graph.node if node.name in kept)
    for node in found.node:
        node.attr.pop("_class", None)  # beside which other node it runs, which may be gone
    return found


def _inner_nodes(graph: Any) -> list[Any]:
    return [node for function in graph.library.function for node in function.node_def]
