"""What changes a training goes together: phases, a penalty, an average, a balance, then calibration and an export."""

from __future__ import annotations

from itertools import product

import keras
import numpy as np
import pytest
from conftest import mostly_slow, toy_backbone

import keras_transfer as kt

PHASES = (kt.Phase("solve", "head"), kt.Phase(2, 1, 1e-3), kt.Phase(2, "all", 1e-3))
PENALTIES = ("l2_sp", None, "delta", ["l2_sp", "batch_spectral_shrinkage"])
# all of them at once first, which is for every run
EVERY = [*product(PENALTIES, (2, None), ("logit_adjustment", None, "sampling", "class_weight"))]


@pytest.fixture(scope="module")
def data():
    """Two classes by the shade, one three times as frequent, with noise; 60 images for validation."""
    labels = (np.arange(200) % 4 == 0).astype(int)
    shades = 90 + 60 * labels[:, None, None, None]
    images = np.random.default_rng(0).normal(shades, 60, (200, 32, 32, 3)).clip(0, 255).astype("uint8")
    return kt.data.from_arrays(images, labels, image_size=32, validation_split=0.3, batch_size=20)


def trained(data, cache, penalty, average, balance):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    keras.utils.set_random_seed(1)
    history = kt.fine_tune(
        model,
        data,
        schedule=PHASES,
        rate="warmup_cosine",
        penalty=penalty,
        average=average,
        balance=balance,
        optimizer=keras.optimizers.AdamW(weight_decay=0.01),
        cache=cache,
        verbose=0,
    )
    return model, history


@pytest.mark.parametrize(("penalty", "average", "balance"), mostly_slow(EVERY))
def test_every_part_goes_with_the_others(data, penalty, average, balance, tmp_path):
    model, history = trained(data, "memory", penalty, average, balance)
    plain, uncached = trained(data, False, penalty, average, balance)
    for ours, theirs in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(history.history["loss"], uncached.history["loss"], rtol=1e-4)
    before = kt.evaluate(model, data.validation)
    found = kt.calibrate(model, data)
    after = kt.evaluate(model, data.validation)
    assert found.after.metrics["loss"] == pytest.approx(after.metrics["loss"], abs=1e-4)
    assert after.metrics["accuracy"] == before.metrics["accuracy"]
    version = kt.export(model, tmp_path / "served", data=data, report=after, views="flip", coverage=0.9)  # verified
    images = data.splits["validation"].items
    expected = (model.predict(images, verbose=0) + model.predict(images[:, :, ::-1], verbose=0)) / 2
    served = kt.load(version)
    np.testing.assert_allclose(served.predict_probabilities(images), expected, atol=1e-5)
    assert all(prediction.possible for prediction in served.predict(images[:3]))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").predict(images, verbose=0)
    np.testing.assert_allclose(again, model.predict(images, verbose=0), atol=1e-6)


@pytest.mark.slow
def test_a_distilled_student_goes_the_same_way(data, tmp_path):
    teacher, _ = trained(data, "memory", None, None, None)
    keras.utils.set_random_seed(2)
    student = kt.build_model(toy_backbone(), 2, image_size=32)
    kt.distill(teacher, student, data, schedule=PHASES, verbose=0)
    between = kt.interpolate(teacher, kt.soup([teacher, student], data, verbose=0), data, verbose=0)
    kt.calibrate(between, data)
    version = kt.export(between, tmp_path / "served", data=data)
    images = data.splits["validation"].items
    expected = between.predict(images, verbose=0)
    np.testing.assert_allclose(kt.load(version).predict_probabilities(images), expected, atol=1e-5)
