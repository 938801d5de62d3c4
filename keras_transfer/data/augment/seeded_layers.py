"""Keras' random layers with random numbers from a seed that is given with each image.

A layer of Keras draws from a generator that counts on with every call, so in a parallel pipeline an image gets other
numbers in every run. Here its generator is replaced by one that makes them from the seed of the image.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from keras_transfer._keras.generators import replace_generators

_MIXING = (keras.layers.MixUp, keras.layers.CutMix, keras.layers.AugMix)
Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Mixing = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class SeededLayer:
    """A layer as a function of an image float32 `(height, width, 3)` and a seed int64 `(2,)`.

    Args:
        make: makes the layer, or one like it; called once, by `prepare`.

    Attributes:
        make: the same.
    """

    def __init__(self, make: Callable[[], keras.layers.Layer]):
        self.make = make
        self._layer: keras.layers.Layer | None = None

    def prepare(self) -> SeededLayer:
        """Makes the layer, where it is not part of any graph: it holds variables."""
        if self._layer is None:
            self._layer, self._seeds = self.make(), _SeedsOfOneImage()
            replace_generators(self._layer, self._seeds)
        return self

    @property
    def moves_masks(self) -> bool:
        """Whether the layer moves a mask as it does its image."""
        layer = self.prepare()._layer
        known = hasattr(layer, "transform_segmentation_masks") or isinstance(layer, keras.layers.Identity)
        return known and not isinstance(layer, _MIXING)

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.cast(self.run(image, seed), tf.float32), image.shape)

    def run(self, inputs: Any, seed: tf.Tensor) -> Any:
        """Returns what the layer gives for inputs of any kind."""
        self.prepare()._seeds.begin(seed)
        with _fixed_choices():
            return self._layer(inputs, training=True)  # type: ignore[misc]


def copy_of(layer: keras.layers.Layer) -> Callable[[], keras.layers.Layer]:
    """Returns what makes a layer like the given one, which stays as it is."""
    return lambda: type(layer).from_config(layer.get_config())


def mixing_by(make: Callable[[], keras.layers.Layer]) -> Mixing:
    """Returns what a layer that mixes a batch does: a function of images, labels `(batch, num_classes)`, a seed."""
    layer = SeededLayer(make).prepare()

    def mix(images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mixed = layer.run({"images": images, "labels": labels}, seed)
        first, second = (tf.cast(mixed[name], tf.float32) for name in ("images", "labels"))
        return tf.ensure_shape(first, images.shape), tf.ensure_shape(second, labels.shape)

    return mix


@contextmanager
def _fixed_choices() -> Iterator[None]:
    """Fixes what a layer chooses by Python's `random` while its graph is made, as AugMix does its chains."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)


class _SeedsOfOneImage(keras.random.SeedGenerator):
    """Makes seeds from one seed."""

    def __init__(self) -> None:
        super().__init__(0)

    def begin(self, seed: tf.Tensor) -> None:
        """Starts anew, with the seed of the next image."""
        self._seed, self._drawn = tf.cast(seed, tf.int64), 0

    def next(self, ordered: bool = True) -> tf.Tensor:
        self._drawn += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._drawn)
