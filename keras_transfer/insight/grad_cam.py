"""grad_cam: heat maps of the image regions that contribute to a class score."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import KerasTensor

from keras_transfer._arguments import takes
from keras_transfer._checks import InputError
from keras_transfer._keras.graph import crossing, nodes, nodes_before
from keras_transfer.models.stages import MODEL, check_one_way

_BATCH = 32


@takes(model=MODEL)
def grad_cam(model: keras.Model, images: np.ndarray, *, class_ids: Sequence[int] | None = None) -> np.ndarray:
    """Returns a heat map for each image, by Grad-CAM: how much each region contributes to the score of a class.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (2017),
    https://arxiv.org/abs/1610.02391, equations 1 and 2. It uses the last feature map of the model, and the score of a
    class before the activation. Departure from the paper: each map is divided by its maximum.

    It works with models of `build_model`, also after reloading, and with functional models with a nested backbone.

    Args:
        model: a functional classifier that takes images in [0, 255].
        images: uint8 or float32 `(batch, height, width, channels)` in [0, 255], of the model's image size.
        class_ids: number of the class to explain for each image, `(batch,)`; by default, or where it is -1, the class
            with the highest score.

    Returns:
        float32 `(batch, height, width)` in [0, 1]. A map is all zero if no region contributes to the class.

    Raises:
        InputError: if the model has no feature map, or images or classes do not fit.
    """
    check_one_way(model)
    if len(model.output_shape) != 2:
        raise InputError(f"Expected a model with one answer an image. Received: outputs {model.output_shape}.")
    feature_map = last_feature_map(model)
    if feature_map is None:
        raise InputError(
            "Expected a functional model with a feature map (batch, height, width, channels) that all later layers "
            f"depend on. Received: {model.name!r}, which has none."
        )
    size = tuple(model.input_shape[1:3])
    if (
        np.ndim(images) != 4
        or np.shape(images)[3] != model.input_shape[3]
        or (None not in size and np.shape(images)[1:3] != size)
    ):
        expected = f"(batch, {size[0]}, {size[1]}, {model.input_shape[3]})"
        raise InputError(f"Expected images {expected}. Received: shape {np.shape(images)}.")
    wanted = np.full(len(images), -1) if class_ids is None else np.asarray(class_ids)
    count = model.output_shape[-1]
    if wanted.shape != (len(images),) or wanted.max(initial=-1) >= count or wanted.min(initial=-1) < -1:
        raise InputError(f"Expected a class from 0 to {count - 1} for each image. Received: class_ids={class_ids!r}.")
    encoder, scores = keras.Model(model.inputs[0], feature_map), score_model(model, feature_map)
    image_size = np.shape(images)[1:3]

    @tf.function(reduce_retracing=True, autograph=False)  # a graph rounds like a served model; eager operations may not
    def run(batch: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        return heat_maps(scores, encoder(batch, training=False), chosen, image_size)[0]

    maps = [np.zeros((0, *image_size), np.float32)]
    for start in range(0, len(images), _BATCH):
        batch = tf.constant(images[start : start + _BATCH], tf.float32)
        maps.append(run(batch, tf.constant(wanted[start : start + _BATCH], tf.int64)).numpy())
    return np.concatenate(maps)


def last_feature_map(model: keras.Model) -> KerasTensor | None:
    """Returns the last tensor `(batch, height, width, channels)` from which alone the rest of the model is computed.

    Returns None if there is no such tensor, or the model is not functional.
    """
    if not hasattr(model, "operations"):
        return None
    for node in reversed(nodes(model)):
        for tensor in node.output_tensors:
            if node.is_input or len(tensor.shape) != 4:
                continue
            if [id(needed) for needed in crossing(model, nodes_before(model, tensor))] == [id(tensor)]:
                return tensor
    return None


def score_model(model: keras.Model, feature_map: KerasTensor) -> keras.Model:
    """Returns the part of a model from a feature map to its scores `(batch, num_classes)`.

    The scores are taken before the activation if the activation is a layer of its own.
    """
    last = model.layers[-1]
    is_activation = isinstance(last, keras.layers.Activation) and last.output is model.outputs[0]
    return keras.Model(feature_map, last.input if is_activation else model.outputs[0])


def heat_maps(
    scores: keras.Model, feature_maps: tf.Tensor, class_ids: tf.Tensor, image_size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes heat maps from feature maps, in a graph or eagerly.

    Args:
        scores: a model from feature maps to scores, as `score_model` returns it.
        feature_maps: float `(batch, rows, columns, channels)`.
        class_ids: int64 `(batch,)`; -1 stands for the class with the highest score.
        image_size: (height, width) of the heat maps in pixels.

    Returns:
        Heat maps, float32 `(batch, height, width)` in [0, 1], and the classes they explain, int64 `(batch,)`.
    """
    with tf.GradientTape() as tape:
        tape.watch(feature_maps)
        every = scores(feature_maps, training=False)
        class_ids = tf.where(class_ids < 0, tf.argmax(every, axis=-1), class_ids)
        chosen = tf.gather(every, class_ids, axis=1, batch_dims=1)
    gradients = tf.cast(tape.gradient(chosen, feature_maps), tf.float32)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)  # equation 1
    maps = tf.nn.relu(tf.reduce_sum(weights * tf.cast(feature_maps, tf.float32), axis=-1, keepdims=True))  # equation 2
    maps = tf.image.resize(maps, image_size)[..., 0]
    return tf.math.divide_no_nan(maps, tf.reduce_max(maps, axis=(1, 2), keepdims=True)), class_ids
