"""The signatures of an exported model: named functions that a server can call, all built on one network graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from keras_transfer.data.kinds import Images, Kind
from keras_transfer.data.pixels.views import over_views
from keras_transfer.insight.grad_cam import heat_maps, last_feature_map, score_model
from keras_transfer.serving.description import Description

Answer = dict[str, tf.Tensor]


def resources_of(models: Sequence[keras.Model], kind: Kind) -> tf.Module:
    """Wraps models so that Keras finds their lookup tables but not their weights, which it would else write twice.

    Args:
        models: that are exported.
        kind: what they take, whose tables are written too.
    """
    holder = tf.Module()
    holder.models, holder.kind = list(models), kind.resources
    return holder


@dataclass(frozen=True)
class Signature:
    """One signature of an exported model.

    Attributes:
        function: takes tensors as named arguments, and returns a dict of tensors.
        inputs: name, dtype and shape of each argument.
    """

    function: Callable[..., Answer]
    inputs: tuple[tf.TensorSpec, ...]


def possible_in(outputs: tf.Tensor, description: Description) -> tf.Tensor:
    """Says which classes are possible, bool `(batch, num_classes)`; the most probable one always is."""
    return (outputs >= description.possible_from) | (outputs >= tf.reduce_max(outputs, axis=-1, keepdims=True))


def known_in(outputs: tf.Tensor, description: Description) -> tf.Tensor:
    """Says where the most probable class is sure enough to be an answer, bool `(batch,)`."""
    return tf.reduce_max(outputs, axis=-1) >= description.known_from


def has_features(model: keras.Model) -> bool:
    """Says whether a model has one vector of features for each example."""
    return any(layer.name == "features" and len(layer.output.shape) == 2 for layer in model.layers)


def signatures(model: keras.Model, description: Description, top_k: int | None = None) -> dict[str, Signature]:
    """Returns the signatures of a model by name. The docstring of `export` describes them.

    The network is traced once, and all signatures call it. Each signature computes only the outputs that it returns.
    """
    kind = description.kind
    tensors = kind.batch_spec
    encoded = tf.TensorSpec((None,), tf.string, name=kind.content)
    class_ids = tf.TensorSpec((None,), tf.int64, name="class_ids")
    feature_map = last_feature_map(model) if isinstance(kind, Images) and not description.axes else None
    parts = {"outputs": model.outputs[0]}
    if has_features(model):
        parts["features"] = model.get_layer("features").output
    if feature_map is not None:
        parts["feature_map"] = feature_map
    several = keras.Model(model.inputs[0], parts)
    network = tf.function(lambda batch: several(batch, training=False), input_signature=[tensors], autograph=False)
    labels = tf.constant(description.class_names)

    def name(outputs: tf.Tensor) -> Answer:
        return description.task.answer(outputs, labels)

    def run(batch: tf.Tensor) -> Answer:
        return network(tf.cast(kind.trimmed(batch), kind.dtype))

    def outputs_for(batch: tf.Tensor) -> tf.Tensor:
        return kind.placed(over_views(lambda views: run(views)["outputs"], batch, description.views), batch)

    def of_contents(content: tf.Tensor) -> Answer:
        outputs, parts = kind.by_part(outputs_for(kind.decode_batch(content)), content)
        answer = {**parts, **name(outputs)}
        return {key: value for key, value in answer.items() if key != description.output or not description.task.apart}

    found = {
        "serving_default": Signature(of_contents, (encoded,)),
        f"predict_{kind.tensor}": Signature(lambda batch: name(outputs_for(batch)), (tensors,)),
        kind.decoder: Signature(lambda content: {kind.tensor: kind.decode_batch(content)}, (encoded,)),
    }
    if description.task.apart:
        found[description.output] = Signature(
            lambda content: {description.output: outputs_for(kind.decode_batch(content))}, (encoded,)
        )
    if isinstance(kind, Images):
        small = tf.TensorSpec(tensors.shape, tf.uint8, name=kind.tensor)
        found["predict_images_uint8"] = Signature(lambda batch: name(outputs_for(batch)), (small,))
    if "features" in parts:
        found["features"] = Signature(
            lambda content: {"features": tf.cast(run(kind.decode_batch(content))["features"], tf.float32)}, (encoded,)
        )
    if top_k is not None:

        def best(content: tf.Tensor) -> Answer:
            values, ids = tf.math.top_k(outputs_for(kind.decode_batch(content)), top_k, index_type=tf.int64)
            return {"class_names": tf.gather(labels, ids), "class_ids": ids, description.output: values}

        found["top_k"] = Signature(best, (encoded,))
    if description.possible_from is not None:

        def possible(content: tf.Tensor) -> Answer:
            outputs = outputs_for(kind.decode_batch(content))
            names = tf.tile(labels[tf.newaxis], (tf.shape(outputs)[0], 1))
            return {"possible": possible_in(outputs, description), "class_names": names, description.output: outputs}

        found["possible"] = Signature(possible, (encoded,))
    if description.known_from is not None:

        def known(content: tf.Tensor) -> Answer:
            answer = name(outputs_for(kind.decode_batch(content)))
            return {**answer, "known": known_in(answer[description.output], description)}

        found["known"] = Signature(known, (encoded,))
    if feature_map is not None:
        scores = score_model(model, feature_map)

        def explain(content: tf.Tensor, class_ids: tf.Tensor) -> Answer:
            pixels = kind.decode_batch(content)
            if description.views is not None:  # the class that the version answers with
                class_ids = tf.where(class_ids < 0, tf.argmax(outputs_for(pixels), axis=-1), class_ids)
            maps, explained = heat_maps(scores, run(pixels)["feature_map"], class_ids, tuple(kind.spec.shape[:2]))
            return {"heat_maps": maps, "class_ids": explained, "images": pixels}

        found["explain"] = Signature(explain, (encoded, class_ids))
    return found
