"""TrivialAugment: one random change at a random strength, and nothing to tune."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_transfer.data.augment.seeded_layers import SeededLayer

_RANGE = (0, 255)
_LAYERS: tuple[Callable[[], keras.layers.Layer], ...] = (
    lambda: keras.layers.Identity(),
    lambda: keras.layers.RandomShear(x_factor=0.3, y_factor=0.0),
    lambda: keras.layers.RandomShear(x_factor=0.0, y_factor=0.3),
    lambda: keras.layers.RandomTranslation(height_factor=0.2, width_factor=0.2),
    lambda: keras.layers.RandomRotation(factor=0.1),
    lambda: keras.layers.RandomBrightness(factor=0.5, value_range=_RANGE),
    lambda: keras.layers.RandomContrast(factor=0.7, value_range=_RANGE),
    lambda: keras.layers.RandomColorDegeneration(factor=0.9, value_range=_RANGE),
    lambda: keras.layers.RandomSharpness(factor=0.9, value_range=_RANGE),
    lambda: keras.layers.RandomPosterization(factor=3, value_range=_RANGE),
    lambda: keras.layers.Solarization(addition_factor=0.0, threshold_factor=1.0, value_range=_RANGE),
    lambda: keras.layers.AutoContrast(value_range=_RANGE),
    lambda: keras.layers.Equalization(value_range=_RANGE),
)


class OneOfLayers(SeededLayer):
    """One of several layers of Keras, drawn for each image; the others are not computed.

    Args:
        make: makes the layers.
    """

    def __init__(self, make: Callable[[], list[SeededLayer]]):
        self.make = make
        self._layers: list[SeededLayer] = []

    def prepare(self) -> OneOfLayers:
        """Makes the layers, where they are not part of any graph: they hold variables."""
        if not self._layers:
            self._layers = [layer.prepare() for layer in self.make()]
        return self

    @property
    def moves_masks(self) -> bool:
        """Whether each of the layers moves a mask as it does its image."""
        return all(layer.moves_masks for layer in self.prepare()._layers)

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(
            tf.ensure_shape(self._drawn(seed, lambda layer, own: layer(image, own)), image.shape), 0, 255
        )

    def run(self, inputs: Any, seed: tf.Tensor) -> Any:
        """Returns what the layer that is drawn gives for images and masks, which have the form of the inputs."""
        found = self._drawn(seed, lambda layer, own: _both(layer.run(dict(inputs), own)))
        return {**found, "images": tf.clip_by_value(found["images"], 0, 255)}

    def _drawn(self, seed: tf.Tensor, call: Callable[[SeededLayer, tf.Tensor], Any]) -> Any:
        layers = self.prepare()._layers
        seeds = tf.random.split(seed, 2)
        drawn = tf.random.stateless_uniform((), seeds[0], maxval=len(layers), dtype=tf.int32)
        return tf.switch_case(drawn, [lambda layer=layer: call(layer, seeds[1]) for layer in layers])


def _both(found: Any) -> dict[str, tf.Tensor]:
    """Returns images and masks in one dtype, as branches of a choice must."""
    return {name: tf.cast(values, tf.float32) for name, values in found.items()}


def trivial_layers() -> list[SeededLayer]:
    """Returns the changes: where an image is moved, its brightness and colours, or none."""
    return [SeededLayer(make) for make in _LAYERS]
