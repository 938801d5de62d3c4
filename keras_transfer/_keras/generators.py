"""Replaces the random generators of layers by a given one."""

from __future__ import annotations

import keras

from keras_transfer._keras.still import layers_inside

_NAMES = ("generator", "seed_generator")


def replace_generators(layer: keras.layers.Layer, generator: keras.random.SeedGenerator) -> int:
    """Makes a layer, and all layers inside it, use one random generator. Returns the number of generators replaced."""
    count = 0
    for part in layers_inside(layer):
        for name in _NAMES:
            if name in vars(part):
                vars(part)[name] = generator  # bypasses Keras' tracking of attributes
                count += 1
    return count
