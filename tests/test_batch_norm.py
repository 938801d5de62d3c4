"""check_batch_norm: what Keras' guide gets wrong is found before training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import toy_network

import keras_transfer as kt
from keras_transfer._keras.behaviour import keeps_training_false
from keras_transfer._keras.still import layers_inside

IMAGES = np.random.default_rng(0).uniform(0, 1, (8, 32, 32, 3))


def guide(base) -> keras.Model:
    """The model of the guide "Transfer learning & fine-tuning"."""
    images = keras.Input((32, 32, 3))
    x = base(images, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(3, activation="softmax")(x))


def moved(model) -> set[str]:
    norms = [layer for layer in layers_inside(model) if isinstance(layer, keras.layers.BatchNormalization)]
    before = [np.array(layer.moving_mean) for layer in norms]
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.zeros(8), verbose=0)
    return {layer.name for layer, old in zip(norms, before, strict=True) if not np.array_equal(layer.moving_mean, old)}


def test_it_names_exactly_the_layers_that_fit_moves():
    base = toy_network()
    model = guide(base)
    if keeps_training_false():
        check = kt.check_batch_norm(model)
        assert set(check.still) == {"first_bn", "second_bn", "third_bn"} and not moved(model)
        assert check.moving == check.waiting == ()
        return
    base.trainable = False
    check = kt.check_batch_norm(model)
    assert check.moving == () and set(check.waiting) == {"first_bn", "second_bn", "third_bn"} and not moved(model)
    base.trainable = True
    base.get_layer("first_bn").trainable = False
    check = kt.check_batch_norm(model)
    assert set(check.moving) == {"second_bn", "third_bn"} == moved(model) and check.waiting == ("first_bn",)


def test_it_says_what_to_do_and_that_helps():
    base = toy_network()
    model = guide(base)
    text = str(kt.check_batch_norm(model))
    if keeps_training_false():
        assert text.startswith("3 BatchNorm layers (first_bn, second_bn, third_bn) stay still")
        return
    assert "3 BatchNorm layers (first_bn, second_bn, third_bn) will move in fit" in text
    assert "set `layer.trainable = False` for each BatchNormalization layer" in text
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    assert not moved(model)
    ours = kt.build_model(toy_network(), 3, image_size=32)
    assert "No BatchNorm layer was called with training=False" in str(kt.check_batch_norm(ours))


def test_models_inside_models_and_single_layers_are_seen():
    images = keras.Input((32, 32, 3))
    normed = keras.layers.BatchNormalization(name="alone")(images, training=False)
    outer = keras.Model(images, guide(toy_network())(normed))
    found = kt.check_batch_norm(outer)
    assert {*found.moving, *found.still} == {"alone", "first_bn", "second_bn", "third_bn"}
    found = kt.check_batch_norm(keras.Sequential([keras.Input((32, 32, 3)), guide(toy_network())]))
    assert len(found.moving + found.still) == 3


def test_a_subclassed_model_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(kt.InputError, match="functional or Sequential"):
        kt.check_batch_norm(Own())
    with pytest.raises(kt.InputError, match="functional or Sequential"):
        kt.check_batch_norm(keras.Sequential([keras.layers.Dense(1)]))
