"""Sets that hold the true class with the chance that is stated, and the exports that tell them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone
from scipy.special import softmax

import keras_transfer as kt
from keras_transfer.insight.conformal import smallest_possible
from keras_transfer.insight.selective import smallest_known

RNG = np.random.default_rng(0)


def images_of(count, classes=5):
    """Probabilities, too sure of themselves, and labels."""
    logits = RNG.normal(size=(count, classes)) * 2
    chance = softmax(logits, axis=1).cumsum(axis=1)
    return softmax(3 * logits, axis=1), (chance < RNG.random((count, 1))).sum(axis=1).clip(0, classes - 1)


def test_it_is_the_quantile_of_the_scores():
    probabilities, labels = images_of(200)
    scores = 1 - probabilities[np.arange(200), labels]
    for coverage in (0.5, 0.8, 0.9, 0.95):
        expected = np.quantile(scores, np.ceil(201 * coverage) / 200, method="inverted_cdf")
        assert smallest_possible(probabilities, labels, coverage) == pytest.approx(1 - expected)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_over_many_splits_the_sets_hold_what_they_promise(coverage):
    shares = []
    for _ in range(20):
        least = smallest_possible(*images_of(300), coverage)
        probabilities, labels = images_of(1000)
        shares.append((probabilities[np.arange(1000), labels] >= least).mean())
    assert np.mean(shares) == pytest.approx(coverage, abs=0.02)


def test_too_few_images_for_a_coverage_are_refused():
    with pytest.raises(kt.DataError, match="Expected 19 validation images or more for coverage=0.95. Received: 18"):
        smallest_possible(*images_of(18), 0.95)
    smallest_possible(*images_of(19), 0.95)


@pytest.fixture(scope="module")
def data():
    images = RNG.integers(0, 256, (100, 32, 32, 3)).astype("uint8")
    return kt.data.from_arrays(images, np.arange(100) % 4, image_size=32, validation_split=0.4)


@pytest.fixture(scope="module")
def model():
    model = kt.build_model(toy_backbone(), 4, image_size=32)
    kernel = model.get_layer("logits").kernel
    kernel.assign(RNG.normal(size=kernel.shape) * 3)
    return model


@pytest.mark.slow
def test_an_export_tells_the_possible_classes(model, data, tmp_path):
    version = kt.export(model, tmp_path / "served", data=data, coverage=0.8)
    validation = data.splits["validation"]
    outputs = model.predict(data.validation, verbose=0)
    least = smallest_possible(outputs, validation.labels, 0.8)
    expected = outputs >= min(least, 1) - 1e-6
    expected[np.arange(len(outputs)), outputs.argmax(axis=1)] = True
    png = [tf.io.encode_png(image).numpy() for image in validation.items]
    found = tf.saved_model.load(str(version)).signatures["possible"](image_bytes=tf.constant(png))
    assert np.array_equal(found["possible"], expected)
    assert expected[np.arange(len(outputs)), validation.labels].mean() >= 0.8
    assert found["class_names"][0].numpy().tolist() == [b"0", b"1", b"2", b"3"]
    for prediction, row, inside in zip(kt.load(version).predict(png), outputs, expected, strict=True):
        order = [str(place) for place in np.argsort(-row) if inside[place]]
        assert prediction.possible == tuple(order) and order[0] == prediction.class_name
    assert "with a chance of 0.8" in (version / "model_card.md").read_text()


def sure(count):
    """Probabilities of two classes, and labels that hold with these probabilities."""
    best = RNG.uniform(0.5, 1, count)
    return np.stack([best, 1 - best], axis=1), (RNG.uniform(size=count) > best).astype(int)


def test_over_many_splits_answers_are_right_as_often_as_promised():
    kept = []
    for _ in range(100):
        least = smallest_known(*sure(500), 0.85)
        probabilities, labels = sure(20_000)
        known = probabilities[:, 0] >= least
        kept.append((labels[known] == 0).mean())
    assert np.mean(np.array(kept) >= 0.85) >= 0.85
    assert 0.85 <= np.mean(kept) <= 0.93  # and not much surer than asked


def test_images_that_show_no_accuracy_are_refused():
    with pytest.raises(kt.DataError, match="min_accuracy=0.99. Received: 300 images"):
        smallest_known(np.full((300, 2), 0.5), np.arange(300) % 2, 0.99)


def test_an_export_says_what_it_does_not_know(tmp_path):
    labels = np.arange(400) % 2
    images = RNG.normal(110 + 30 * labels[:, None, None, None], 80, (400, 32, 32, 3)).clip(0, 255).astype("uint8")
    data = kt.data.from_arrays(images[:, :4, :4].repeat(8, 1).repeat(8, 2), labels, validation_split=0.5)
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    kt.fine_tune(model, data, schedule="solve", verbose=0)
    version = kt.export(model, tmp_path / "served", data=data, min_accuracy=0.9)  # verified
    outputs = model.predict(data.validation, verbose=0)
    least = smallest_known(outputs, data.splits["validation"].labels, 0.9)
    expected = outputs.max(axis=1) >= least
    assert 0 < expected.mean() < 1
    png = [tf.io.encode_png(image).numpy() for image in data.splits["validation"].items]
    found = tf.saved_model.load(str(version)).signatures["known"](image_bytes=tf.constant(png))
    assert np.array_equal(found["known"], expected) and set(found) >= {"class_names", "class_ids", "probabilities"}
    predictions = kt.load(version).predict(png)
    assert [each.known for each in predictions] == expected.tolist()
    assert str(predictions[int(expected.argmin())]).startswith("not known, likeliest ")
    assert "of those given, 0.9 or more are right" in (version / "model_card.md").read_text()


def test_without_coverage_nothing_is_told(exported):
    assert kt.load(exported).predict(np.zeros((1, 32, 32, 3), "uint8"))[0].possible == ()
    assert "possible" not in tf.saved_model.load(str(exported)).signatures


def test_what_has_no_sets_is_refused(model, data, tmp_path):
    with pytest.raises(kt.InputError, match="validation split"):
        kt.export(model, tmp_path / "m", coverage=0.9)
    with pytest.raises(kt.DataError, match="99 validation images or more"):
        kt.export(model, tmp_path / "m", data=data, coverage=0.99)
    with pytest.raises(kt.InputError, match="coverage"):
        kt.export(model, tmp_path / "m", data=data, coverage=1.5)
    several = kt.data.from_arrays(np.zeros((20, 32, 32, 3), "uint8"), np.ones((20, 4), int))
    labelled = kt.build_model(toy_backbone(), 4, image_size=32, activation="sigmoid")
    with pytest.raises(kt.InputError, match="one class an image"):
        kt.export(labelled, tmp_path / "m", data=several, coverage=0.5)
    two = kt.data.from_arrays(np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 2)
    with pytest.raises(kt.InputError, match="a model with 1 outputs"):
        kt.export(
            kt.build_model(toy_backbone(), 1, image_size=32, activation="sigmoid"),
            tmp_path / "m",
            data=two,
            coverage=0.5,
        )
    assert not (tmp_path / "m").exists()
