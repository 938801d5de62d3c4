"""Small networks for the tests."""

from __future__ import annotations

import keras
import numpy as np

import keras_transfer as kt


def toy_network() -> keras.Model:
    """A network with all that must be frozen with care: BatchNorm, Dropout, noise and a skip connection."""
    layers = keras.layers
    images = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(images)
    x = layers.BatchNormalization(name="first_bn")(x)
    early = layers.Activation("relu", name="early_end")(x)
    x = layers.Conv2D(8, 3, padding="same", name="second")(early)
    x = layers.BatchNormalization(name="second_bn")(x)
    x = layers.Dropout(0.3, name="second_dropout")(x)
    middle = layers.Add(name="middle_end")([x, early])
    x = layers.GaussianNoise(0.5, name="noise")(middle)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="third")(x)
    x = layers.BatchNormalization(name="third_bn")(x)
    return keras.Model(images, layers.Activation("relu", name="late_end")(x), name="toy")


def toy_backbone() -> kt.Backbone:
    stages = (("early", "early_end"), ("middle", "middle_end"), ("late", ""))
    return kt.Backbone(toy_network(), lambda images: images / 127.5 - 1, 32, stages=stages)


def make_lively(network: keras.Model, part: kt.Backbone, images: np.ndarray) -> None:
    """Settles BatchNorm on the images themselves: with random weights features would be constants, and tests blind."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.full(3, 0.45), np.full(3, 0.05), np.array(0)])
            layer.finalize_state()
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    inputs = images.astype("float32")
    network(part.preprocess(inputs) if part.preprocess else inputs, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
