"""Contracts of heads and poolings."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_transfer.models.building import build_model
from keras_transfer.models.heads import Head
from keras_transfer.models.pooling import POOLINGS, Pooling
from keras_transfer.testing.contract import require

_CLASSES, _SIDE = 3, 16


def check_head(head: str | Head) -> None:
    """Checks that a head returns a number for each class, of an image or a pixel, learns, and reloads with Keras alone.

    Args:
        head: name, or a function `(features, num_classes) -> logits`; or one of feature maps (see `kt.heads.of_maps`).

    Raises:
        BrokenContract: if it does not.
        InputError: if the name is unknown, or the shape of the logits is wrong.

    Example:
        >>> import keras
        >>> check_head(lambda features, num_classes: keras.layers.Dense(num_classes)(features))
    """
    _check(build_model(_network(), _CLASSES, image_size=_SIDE, head=head))


def check_pooling(pooling: str | Pooling) -> None:
    """Checks that a pooling makes a vector of each feature map by itself, learns, and reloads with Keras alone.

    Args:
        pooling: name, or a function of a feature map `(batch, height, width, channels)`.

    Raises:
        BrokenContract: if it does not.
        InputError: if the name is unknown.
    """
    feature_map = keras.Input((7, 7, 4))
    shape = POOLINGS.find(pooling)(feature_map).shape
    require(len(shape) == 2 and shape[1], "features (batch, channels)", shape)
    _check(build_model(_network(), _CLASSES, image_size=_SIDE, pooling=pooling))


def _network() -> keras.Model:
    keras.utils.set_random_seed(0)
    scaled = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 127.5, -1)]
    return keras.Sequential([*scaled, keras.layers.Conv2D(4, 3, strides=2, activation="relu")])


def _check(model: keras.Model) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (6, _SIDE, _SIDE, 3)).astype("float32")
    require(model.output.dtype == "float32", "outputs in float32", model.output.dtype)
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    places = model.output_shape[1:-1]  # none, or those of pixels
    labels = np.arange(6).reshape(6, *(1 for _ in places)) % _CLASSES + np.zeros((6, *places), int)
    before = [np.array(weight) for weight in model.trainable_weights]
    try:
        model.fit(images, labels, epochs=3, verbose=0)
    except ValueError as error:
        require(False, "weights that training moves", str(error).splitlines()[0])
    moved = [np.array_equal(old, new) for old, new in zip(before, model.trainable_weights, strict=True)]
    require(not all(moved), "weights that training moves")
    outputs = np.array(model(images))
    require(np.isfinite(outputs).all(), "finite outputs")
    require(np.ptp(outputs, axis=0).max() > 0, "outputs that depend on the image")
    both = keras.Model(model.inputs[0], [model.get_layer("features").output, model.output])
    for index, together in enumerate(both(images)):
        alone = np.concatenate([both(images[place : place + 1])[index] for place in range(len(images))])
        apart = np.abs(alone - together).max()
        require(apart <= 1e-5 * np.abs(together).max(), "the same outputs for an image alone and in a batch", apart)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        try:
            again = keras.models.load_model(Path(folder) / "model.keras", compile=False)
        except (TypeError, ValueError) as error:
            require(False, "layers that Keras reloads by itself", str(error).splitlines()[0])
        require(np.array_equal(again(images), outputs), "the same outputs after a reload")
