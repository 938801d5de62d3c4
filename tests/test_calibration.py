"""Reliability of probabilities, and calibrate: the temperature, where it goes, and what it leaves alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import mostly_slow, toy_backbone
from scipy.special import softmax

import keras_transfer as kt
from keras_transfer.insight.evaluation import report_on
from keras_transfer.tasks.reliability import Reliability

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (120, 32, 32, 3)).astype("float32")


def model_of(count=3, activation="softmax", head="linear", factor=1.0):
    """A model whose probabilities differ from image to image."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), count, image_size=32, activation=activation, head=head)
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    if head != "cosine":
        kernel = RNG.normal(size=last.kernel.shape)
        features = keras.Model(model.inputs, last.input).predict(IMAGES, verbose=0)
        spread = (features @ kernel).std(axis=0)
        last.kernel.assign(kernel / spread * factor)
        if last.use_bias:
            last.bias.assign(-(features @ kernel).mean(axis=0) / spread * factor)
    return model


def drawn(model):
    """Labels drawn from the probabilities: those that are calibrated for the model."""
    probabilities = model.predict(IMAGES, verbose=0).astype(float)
    chance = np.random.default_rng(1).random((len(IMAGES), 1))
    if probabilities.shape[1] == 1 or abs(probabilities.sum(axis=1) - 1).max() > 1e-3:
        return (np.random.default_rng(1).random(probabilities.shape) < probabilities).astype(int)
    return (probabilities.cumsum(axis=1) < chance).sum(axis=1).clip(0, probabilities.shape[1] - 1)


def test_the_calibration_error_is_the_mean_distance_of_the_bins():
    probabilities, right = RNG.random(500), RNG.random(500) < 0.7
    found = Reliability.of(probabilities, right)
    expected = 0.0
    for low in range(15):
        inside = (probabilities > low / 15) & (probabilities <= (low + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - probabilities[inside].mean())
    assert found.error == pytest.approx(expected) and found.count.sum() == 500
    assert Reliability.of(np.array([0.0, 1.0]), np.array([False, True])).error == 0


def test_a_report_has_the_brier_score_and_the_calibration_error_of_its_task():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]])
    found = report_on(probabilities, np.array([0, 2, 2]), ["ant", "bee", "cat"])
    squares = [0.09 + 0.04 + 0.01, 0.09 + 0.16 + 0.49, 0.01 + 0.01 + 0.04]
    assert found.metrics["brier_score"] == pytest.approx(np.mean(squares))
    assert found.metrics["calibration_error"] == pytest.approx((0.3 + 0.4 + 0.2) / 3)
    assert "calibration error" in str(found) and found.to_dict()["reliability"]["count"][-4] == 1
    assert len(found.reliability.plot().axes) == 2
    several = report_on(np.array([[0.9, 0.2], [0.4, 0.7]]), np.array([[1, 0], [-1, 1]]))
    assert several.metrics["brier_score"] == pytest.approx(np.mean([0.01, 0.04, 0.09]))
    assert several.reliability.count.sum() == 3, "a label that is not known does not count"


def test_the_temperature_has_the_smallest_loss_and_follows_the_size_of_the_logits():
    model = model_of()
    labels = drawn(model)
    logits = np.log(model.predict(IMAGES, verbose=0))
    smoothing = 1 / (len(IMAGES) + 2)

    def loss(temperature):
        probabilities = softmax(logits / temperature, axis=1)
        right = np.log(probabilities)[np.arange(len(labels)), labels]
        others = (np.log(probabilities).sum(axis=1) - right) / 2
        return -((1 - smoothing) * right + smoothing * others).mean()

    found = kt.calibrate(model, (IMAGES, labels))
    assert all(loss(found.temperature) <= loss(found.temperature * factor) for factor in (0.99, 1.01))
    assert found.temperature == pytest.approx(1, abs=0.4), "the labels were drawn from the probabilities"
    RNG.bit_generator.state = np.random.default_rng(0).bit_generator.state
    sure = model_of()
    for weight in sure.get_layer("logits").weights:
        weight.assign(weight * 5)
    again = kt.calibrate(sure, (IMAGES, drawn(model)))
    assert again.after.metrics["loss"] < again.before.metrics["loss"]
    assert again.after.metrics["calibration_error"] < again.before.metrics["calibration_error"]
    assert "too sure" in str(again)


@pytest.mark.parametrize("head", mostly_slow(kt.available("head")))
def test_it_is_folded_into_every_head_and_changes_no_answer(head, tmp_path):
    model = model_of(head=head, factor=4)
    model.compile("adam", "sparse_categorical_crossentropy")
    labels = RNG.integers(0, 3, len(IMAGES))
    before = model.predict(IMAGES, verbose=0)
    model.evaluate(IMAGES, labels, verbose=0)
    layers = [layer.name for layer in model.layers]
    found = kt.calibrate(model, (IMAGES, labels))
    after = model.predict(IMAGES, verbose=0)
    assert np.abs(after - softmax(np.log(before.astype(float)) / found.temperature, axis=1)).max() < 1e-5
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all() and found.temperature > 1.2
    assert model.evaluate(IMAGES, labels, verbose=0) == pytest.approx(found.after.metrics["loss"], abs=1e-5)
    assert [layer.name for layer in model.layers] == layers
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert np.array_equal(reloaded.predict(IMAGES, verbose=0), after)


@pytest.mark.parametrize("count", [1, 3])
def test_labels_on_their_own_are_calibrated_and_unknown_ones_do_not_count(count):
    model = model_of(count, "sigmoid", factor=4)
    labels = RNG.integers(0, 2, (len(IMAGES), count))
    if count > 1:
        labels[::7, 1] = -1
    logits = keras.Model(model.inputs, model.get_layer("logits").output).predict(IMAGES, verbose=0).astype(float)
    found = kt.calibrate(model, (IMAGES, labels[:, 0] if count == 1 else labels))
    expected = 1 / (1 + np.exp(-logits / found.temperature))
    assert np.abs(model.predict(IMAGES, verbose=0) - expected).max() < 1e-5 and found.temperature > 2


def test_a_set_that_is_all_right_does_not_make_the_model_sure_of_everything():
    model = model_of(2)
    labels = model.predict(IMAGES, verbose=0).argmax(axis=1)
    found = kt.calibrate(model, (IMAGES, labels))
    assert 0.05 < found.temperature < 1 and "too modest" in str(found)
    probabilities = model.predict(IMAGES, verbose=0).max(axis=1)
    assert probabilities.mean() < 1 - 0.5 / (len(IMAGES) + 2)


def test_a_model_that_knows_nothing_comes_to_the_limit_and_that_is_said():
    model = model_of(2, factor=30)
    probabilities = model.predict(IMAGES, verbose=0)
    found = kt.calibrate(model, (IMAGES, probabilities.argmin(axis=1)))
    assert found.temperature == pytest.approx(20, rel=1e-2) and "the limit" in str(found)


def test_data_gives_its_validation_split_and_few_images_are_said(data, toy):
    with pytest.warns(kt.DataWarning, match="is a guess"):
        found = kt.calibrate(toy, data)
    assert found.before.images == len(data.splits["validation"])


def test_what_cannot_be_calibrated_is_refused(data):
    with pytest.raises(kt.InputError, match="estimates values"):
        kt.calibrate(model_of(2, "linear"), (IMAGES, RNG.normal(size=(120, 2)).astype("float32")))
    images = keras.Input((32, 32, 3))
    odd = keras.Model(images, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(images)))
    with pytest.raises(kt.InputError, match="Dense or Rescaling layer. Received: .*GlobalAveragePooling2D"):
        kt.calibrate(odd, (IMAGES, np.arange(120) % 3))
    inputs = keras.Input((32, 32, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 50, offset=-2)(inputs))
    after_softmax = keras.layers.Rescaling(0.9)(keras.layers.Dense(3, activation="softmax")(features))
    bent = keras.layers.Softmax()(keras.layers.Dense(3, activation="tanh")(features))
    for output in (after_softmax, bent):
        spoiled = keras.Model(inputs, output)
        before = spoiled.predict(IMAGES, verbose=0)
        with pytest.raises(kt.InputError, match="The model is as it was"):
            kt.calibrate(spoiled, (IMAGES, np.arange(120) % 3))
        assert np.array_equal(spoiled.predict(IMAGES, verbose=0), before)
    broken = model_of(3)
    broken.get_layer("logits").bias.assign([np.nan] * 3)
    with pytest.raises(kt.DataError, match="not a number"):
        kt.calibrate(broken, (IMAGES, np.arange(120) % 3))
    alone = kt.data.ImageData({"train": data.splits["train"]}, data.class_names, data.image_size)
    with pytest.raises(kt.DataError, match="validation split"):
        kt.calibrate(model_of(3), alone)
