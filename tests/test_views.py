"""Answers that are averaged over views: the same in memory, in an export, and by hand."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.data.pixels.views import VIEWS

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (10, 32, 32, 3)).astype("float32")
BY_HAND = {
    "flip": [IMAGES, IMAGES[:, :, ::-1]],
    "flips": [IMAGES, IMAGES[:, :, ::-1], IMAGES[:, ::-1], IMAGES[:, ::-1, ::-1]],
}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    kernel = model.get_layer("logits").kernel
    kernel.assign(RNG.normal(size=kernel.shape) * 10)
    return model


def mean_of(model, views):
    return np.mean([model.predict(each, verbose=0) for each in views], axis=0)


@pytest.mark.parametrize("name", kt.available("views"))
def test_views_are_what_their_names_say(name):
    found = VIEWS.find(name)(tf.constant(IMAGES))
    assert len(found) == len(BY_HAND[name])
    assert all(map(np.array_equal, found, BY_HAND[name]))


@pytest.mark.parametrize("views", ["flip", "flips", lambda images: [images, images[:, ::-1, ::-1]]])
def test_evaluation_averages_outputs(model, views):
    labels = np.arange(10) % 3
    expected = mean_of(model, VIEWS.find(views)(IMAGES) if not isinstance(views, str) else BY_HAND[views])
    found = kt.evaluate(model, (IMAGES, labels), views=views)
    assert found.metrics["loss"] == pytest.approx(-np.log(expected[np.arange(10), labels]).mean(), abs=1e-5)
    assert found.metrics["loss"] != pytest.approx(kt.evaluate(model, (IMAGES, labels)).metrics["loss"], abs=1e-4)
    if isinstance(views, str):
        other = kt.evaluate(model, (IMAGES, labels), views=views, engine="openvino")
        assert other.metrics == pytest.approx(found.metrics, abs=1e-4)


def test_an_export_averages_and_is_verified(model, tmp_path):
    version = kt.export(model, tmp_path / "served", class_names=["ant", "bee", "cat"], views="flip", top_k=2)
    expected = mean_of(model, BY_HAND["flip"])
    module = tf.saved_model.load(str(version))
    answer = module.signatures["predict_images"](images=tf.constant(IMAGES))
    assert np.abs(answer["probabilities"] - expected).max() < 1e-5
    assert np.abs(expected - model.predict(IMAGES, verbose=0)).max() > 1e-3
    assert answer["class_ids"].numpy().tolist() == expected.argmax(axis=1).tolist()
    png = [tf.io.encode_png(image.astype("uint8")).numpy() for image in IMAGES]
    best = module.signatures["top_k"](image_bytes=tf.constant(png))["probabilities"][:, 0]
    assert np.abs(best - expected.max(axis=1)).max() < 1e-5
    unasked = tf.fill([10], tf.constant(-1, tf.int64))
    explained = module.signatures["explain"](image_bytes=tf.constant(png), class_ids=unasked)
    assert explained["class_ids"].numpy().tolist() == expected.argmax(axis=1).tolist()
    assert json.loads((version / "keras_transfer.json").read_text())["views"] == "flip"
    assert "averaged over 'flip'" in (version / "model_card.md").read_text()
    assert kt.verify(version, model=model).passed
    assert [found.class_name for found in kt.load(version).predict(png)] == [
        ("ant", "bee", "cat")[row] for row in expected.argmax(axis=1)
    ]


def test_a_version_without_views_is_as_before(exported):
    assert json.loads((exported / "keras_transfer.json").read_text())["views"] is None


@pytest.mark.parametrize(
    "views",
    [lambda i: i, lambda i: None, lambda i: [], lambda i: [i, i[:5]], lambda i: [i, i[:, 4:]], lambda i: [i > 9]],
)
def test_views_of_another_form_are_refused(model, views):
    with pytest.raises(kt.InputError, match="views that are a list of tensors float32"):
        kt.evaluate(model, (IMAGES, np.zeros(10, int)), views=views)


def test_unknown_views_are_refused(model, tmp_path):
    with pytest.raises(kt.InputError, match="'flip', 'flips'"):
        kt.export(model, tmp_path / "m", views="mirror")
    with pytest.raises(kt.InputError, match="views"):
        kt.evaluate(model, (IMAGES, np.zeros(10, int)), views="mirror")
