"""Grad-CAM: the map is the one of the paper, on flat, nested and reloaded models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone, toy_network
from networks import poolings_and_heads

import keras_transfer as kt
from keras_transfer.insight.grad_cam import last_feature_map


@pytest.fixture(scope="module")
def corner_images() -> np.ndarray:
    """Grey pictures with a red patch in one of the corners."""
    images = np.full((4, 32, 32, 3), 120, np.uint8)
    for index, (top, left) in enumerate([(0, 0), (0, 20), (20, 0), (20, 20)]):
        images[index, top : top + 12, left : left + 12] = (250, 20, 20)
    return images


def test_with_average_pooling_and_a_dense_layer_it_is_the_weighted_sum_of_the_maps(trained, corner_images):
    """The gradient of a class with respect to each map is then its weight over the number of positions (section 3)."""
    model, _ = trained
    maps = keras.Model(model.input, model.get_layer("stage_late").output)(corner_images).numpy()
    kernel = model.get_layer("logits").kernel.numpy()
    for label in range(3):
        expected = np.maximum(maps @ kernel[:, label], 0)
        expected = tf.image.resize(expected[..., None], (32, 32)).numpy()[..., 0]
        expected /= np.maximum(expected.max(axis=(1, 2), keepdims=True), 1e-30)
        actual = kt.grad_cam(model, corner_images, class_ids=[label] * 4)
        assert actual.shape == (4, 32, 32) and actual.dtype == np.float32
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_it_finds_the_patch_that_makes_the_class(corner_images):
    images = keras.Input((32, 32, 3))
    red = keras.layers.Conv2D(2, 4, strides=4, use_bias=False, name="red")
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(red(images)))
    model = keras.Model(images, keras.layers.Activation("softmax")(keras.layers.Dense(2, name="logits")(features)))
    red.kernel.assign(np.stack([np.tile([1, -0.5, -0.5], (4, 4, 1)), np.tile([0.1, 0.1, 0.1], (4, 4, 1))], axis=-1))
    model.get_layer("logits").set_weights([np.eye(2), np.zeros(2)])
    found = kt.grad_cam(model, corner_images, class_ids=[0] * 4)
    centres = [np.unravel_index(np.argmax(heat), heat.shape) for heat in found]
    assert [(row // 16, column // 16) for row, column in centres] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert found.max(axis=(1, 2)) == pytest.approx(np.ones(4)) and found.min() == 0


def test_the_highest_class_is_explained_by_default_and_a_reload_says_the_same(trained, corner_images, tmp_path):
    model, _ = trained
    best = model.predict(corner_images, verbose=0).argmax(axis=1)
    expected = kt.grad_cam(model, corner_images, class_ids=best)
    np.testing.assert_array_equal(kt.grad_cam(model, corner_images), expected)
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(
        kt.grad_cam(keras.models.load_model(tmp_path / "model.keras"), corner_images), expected, atol=1e-6
    )


def test_it_works_on_a_nested_backbone(corner_images):
    """Where `keras.Model(outer.input, inner.get_layer(...).output)` fails (keras-io #1999)."""
    images = keras.Input((32, 32, 3))
    nested = toy_network()(keras.layers.Rescaling(1 / 127.5, -1)(images))
    features = keras.layers.GlobalAveragePooling2D()(nested)
    model = keras.Model(images, keras.layers.Dense(3, activation="softmax")(features))
    assert last_feature_map(model) is nested
    assert kt.grad_cam(model, corner_images).max() == pytest.approx(1)


@pytest.mark.parametrize(("pooling", "head"), poolings_and_heads(of_pixels=False))
def test_it_works_with_every_pooling_and_head(pooling, head, corner_images):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32, pooling=pooling, head=head)
    for layer in model.layers:
        if layer.name == "logits" and layer.weights:
            layer.set_weights([np.random.default_rng(0).normal(size=weight.shape) for weight in layer.weights])
    found = kt.grad_cam(model, corner_images)
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() == pytest.approx(1)


def test_answers_for_every_pixel_are_not_explained(corner_images):
    with pytest.raises(kt.InputError, match="one answer an image"):
        kt.grad_cam(kt.build_model(toy_backbone(), 3, image_size=32, head="linear_maps"), corner_images)


def test_what_cannot_be_explained_is_refused(trained, corner_images):
    model, _ = trained
    with pytest.raises(kt.InputError, match=r"images \(batch, 32, 32, 3\)"):
        kt.grad_cam(model, corner_images[0])
    with pytest.raises(kt.InputError, match="a class from 0 to 2 for each image"):
        kt.grad_cam(model, corner_images, class_ids=[0, 1, 2, 3])
    with pytest.raises(kt.InputError, match="a class from 0 to 2 for each image"):
        kt.grad_cam(model, corner_images, class_ids=[0])
    images = keras.Input((8, 8, 3))
    flat = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(images)))
    with pytest.raises(kt.InputError, match="which has none"):
        kt.grad_cam(flat, np.zeros((1, 8, 8, 3)))
    assert kt.grad_cam(model, corner_images[:0]).shape == (0, 32, 32)
