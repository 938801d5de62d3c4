"""Reloaded models: what is frozen stays frozen at every depth.

Keras stores for each layer of a model whether it is trainable, but not for the weights of layers inside it, such as
those of a transformer block. They come back trainable, so that `model.trainable_variables` lists them, and with them
an optimizer is built that the stored state does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_transfer._keras.still import layers_inside


def freeze_inside(model: keras.Model) -> None:
    """Freezes what lies inside the frozen layers of a model."""
    for layer in model.layers:
        if not layer.trainable:
            for part in layers_inside(layer):
                part.trainable = False


@contextmanager
def frozen_before_compiled() -> Iterator[None]:
    """Makes Keras freeze, within the context, what lies inside frozen layers before it compiles a model it loads."""
    own = keras.Model.compile_from_config

    def compile_from_config(model: keras.Model, config: dict[str, Any]) -> None:
        freeze_inside(model)
        own(model, config)

    keras.Model.compile_from_config = compile_from_config
    try:
        yield
    finally:
        keras.Model.compile_from_config = own
