"""Views: the same picture in several ways, over which a model's answers are averaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry

Views = Callable[[tf.Tensor], list[tf.Tensor]]
VIEWS: Registry[Views] = Registry(
    "views", callable, "a function from images (batch, height, width, channels) to a list of such tensors"
)


@VIEWS.register("flip")
def flip(images: tf.Tensor) -> list[tf.Tensor]:
    """The picture, and its mirror image left for right."""
    return [images, tf.reverse(images, [2])]


@VIEWS.register("flips")
def flips(images: tf.Tensor) -> list[tf.Tensor]:
    """The picture, its mirror images left for right and upside down, and both: for pictures that have no up."""
    return [images, tf.reverse(images, [2]), tf.reverse(images, [1]), tf.reverse(images, [1, 2])]


def over_views(network: Callable[[tf.Tensor], Any], images: tf.Tensor, views: str | Views | None) -> tf.Tensor:
    """Returns the mean of the outputs of a network over views of images, which it gets in one batch.

    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition" (2015), section 3.2,
    https://arxiv.org/abs/1409.1556, average the probabilities of an image and its mirror image.

    Args:
        network: from images to outputs `(batch, num_outputs)`, or `(batch, height, width, num_outputs)`, which are
            turned back before they are averaged.
        images: `(batch, height, width, channels)`.
        views: name or function; None for the images as they are.
    """
    if views is None:
        return network(images)
    images = tf.convert_to_tensor(images)
    several = VIEWS.find(views)(images)
    if not isinstance(several, (list, tuple)) or not several or not all(_alike(view, images) for view in several):
        raise InputError(
            f"Expected views that are a list of tensors {images.dtype.name} {images.shape}, such as the images are. "
            f"Received: {several!r:.300}"
        )
    outputs = tf.convert_to_tensor(network(tf.concat(several, axis=0)))
    if outputs.shape.rank == 4:
        parts = tf.split(outputs, len(several))
        turned_back = [_turned(part, views, place) for place, part in enumerate(parts)]
        return tf.reduce_mean(tf.stack(turned_back), axis=0)
    return tf.reduce_mean(tf.reshape(outputs, (len(several), -1, outputs.shape[-1])), axis=0)


def _turned(outputs: tf.Tensor, views: str | Views, place: int) -> tf.Tensor:
    """Turns outputs for every pixel of a view back. Each view by name is a reflection: done twice it is undone.

    Raises:
        InputError: if the views are a function, which may be undone in another way.
    """
    if not isinstance(views, str):
        raise InputError(
            f"Expected views by name, {VIEWS.names()}, for one answer a pixel. Received: a function, which this "
            "package cannot undo."
        )
    return VIEWS.find(views)(outputs)[place]


def _alike(view: Any, images: tf.Tensor) -> bool:
    return tf.is_tensor(view) and view.dtype == images.dtype and view.shape.as_list() == images.shape.as_list()
