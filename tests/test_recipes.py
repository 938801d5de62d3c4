"""Recipes: what each does, that none ends below its solved head, and what they say where they cannot do a part."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.training.rule import with_augmentation

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def data():
    """Three classes by the shade, which overlap; 60 images for validation."""
    labels = np.arange(180) % 3
    shades = 60 + 60 * labels + RNG.normal(0, 40, 180)
    images = RNG.normal(shades[:, None, None, None], 40, (180, 32, 32, 3)).clip(0, 255).astype("uint8")
    return kt.data.from_arrays(images, labels, image_size=32, validation_split=1 / 3, batch_size=16)


def build(head="linear", count=3, activation="softmax"):
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), count, image_size=32, head=head, activation=activation)


@pytest.fixture(scope="module")
def solved(data):
    model = build()
    kt.fine_tune(model, data, schedule="solve", verbose=0)
    return model


def test_the_fast_one_is_the_solved_head_calibrated(data, solved, capsys):
    model = build()
    history = kt.fine_tune(model, data, recipe="fast")
    expected = solved.predict(data.validation, verbose=0)
    found = model.predict(data.validation, verbose=0)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all() and len(history.epoch) == 1
    said = capsys.readouterr().out
    assert "recipe: Solves the head on the frozen network" in said and "recipe: temperature" in said


def test_the_default_never_ends_below_its_solved_head(data, solved):
    model = build()
    history = kt.fine_tune(model, data, recipe="default", verbose=0)
    losses = [kt.evaluate(each, data.validation).metrics["loss"] for each in (model, solved)]
    assert losses[0] <= losses[1] + 1e-3
    assert [phase.unfrozen for phase in history.phases] == ["head", 3] and history.path


@pytest.mark.slow
def test_the_best_one_is_never_above_its_solved_head_and_says_what_it_took(data, capsys):
    few = replace(data, splits={**data.splits, "train": data.splits["train"].take(np.arange(64))})
    model = build()
    history = kt.fine_tune(model, few, recipe="best", verbose=2)
    assert model.history is history and "recipe: validation loss as by default " in capsys.readouterr().out
    before = build()
    kt.fine_tune(before, few, schedule="solve", verbose=0)
    losses = [kt.evaluate(each, data.validation).metrics["loss"] for each in (model, before)]
    assert losses[0] <= losses[1] + 1e-3


@pytest.mark.slow
def test_the_best_one_is_never_above_the_default_and_goes_on(data, tmp_path):
    default, model = build(), build()
    kt.fine_tune(default, data, recipe="default", verbose=0)
    kt.fine_tune(model, data, recipe="best", resume_dir=tmp_path / "run", verbose=0)
    losses = [kt.evaluate(each, data.validation).metrics["loss"] for each in (model, default)]
    assert losses[0] <= losses[1] + 1e-3
    again = build()
    kt.fine_tune(again, data, recipe="best", resume_dir=tmp_path / "run", verbose=0)  # both trainings are finished
    for weight, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-5)


def test_a_recipe_decides_of_the_augmentation_where_it_may(data):
    auto, strong = replace(data, augment="auto"), replace(data, augment="strong")
    found = [with_augmentation(each, name).augment for each in (data, auto, strong) for name in ("none", "light")]
    assert found == ["none", "light", "none", "light", "strong", "strong"]


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_to_the_same_model(data, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    whole = build()
    kt.fine_tune(whole, data, recipe="default", verbose=0)
    with pytest.raises(KeyboardInterrupt):
        kt.fine_tune(build(), data, recipe="default", resume_dir=tmp_path / "run", callbacks=[Stop()], verbose=0)
    model = build()
    kt.fine_tune(model, data, recipe="default", resume_dir=tmp_path / "run", verbose=0)
    for weight, expected in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-5)


@pytest.mark.slow
def test_heads_that_cannot_be_solved_are_trained(data, capsys):
    model = build("mlp")
    history = kt.fine_tune(model, data, recipe="default", verbose=2)
    assert "recipe: the head is not linear" in capsys.readouterr().out
    assert not any(phase.solves for phase in history.phases) and len(history.epoch) == 11


def test_values_are_not_calibrated_and_few_images_are_said(capsys):
    images = RNG.integers(0, 256, (40, 32, 32, 3)).astype("uint8")
    ages = kt.data.from_arrays(images, RNG.normal(size=(40, 1)).astype("float32"), image_size=32, validation_split=0.5)
    kt.fine_tune(build(count=1, activation="linear"), ages, recipe="fast")
    assert "temperature" not in capsys.readouterr().out
    few = kt.data.from_arrays(images, np.arange(40) % 3, image_size=32, validation_split=0.5)
    kt.fine_tune(build(), few, recipe="fast")
    assert "recipe: probabilities are not calibrated. 19 validation images are too few." in capsys.readouterr().out


def test_a_recipe_of_ones_own_is_a_function(data, capsys):
    def short(model, data, tune, verbose):
        """Trains the head for two epochs."""
        return tune(schedule="feature_extraction", epochs=2, learning_rate=1e-2)

    model = build()
    history = kt.fine_tune(model, data, recipe=short, verbose=2)
    assert len(history.epoch) == 2 and "recipe: Trains the head for two epochs." in capsys.readouterr().out


def test_a_recipe_and_a_schedule_are_one_too_many(data):
    for settings in ({"epochs": 3}, {"schedule": "solve"}, {"learning_rate": 0.1}):
        with pytest.raises(kt.InputError, match="`recipe` alone"):
            kt.fine_tune(build(), data, recipe="fast", **settings)
    with pytest.raises(kt.InputError, match="returns the History"):
        kt.fine_tune(build(), data, recipe=lambda model, data, tune, verbose: None)
    with pytest.raises(kt.InputError, match="Unknown recipe. Expected one of"):
        kt.fine_tune(build(), data, recipe="quick")


@pytest.mark.slow
def test_a_class_that_validation_lacks_is_trained_all_the_same(data):
    validation = data.splits["validation"]
    some = validation.take(np.flatnonzero(validation.labels != 2))
    lacking = replace(data, splits={**data.splits, "validation": some})
    model = build()
    kt.fine_tune(model, lacking, recipe="default", verbose=0)
    report = kt.evaluate(model, data.validation)
    assert report.metrics["accuracy"] > 0.5 and report.per_class["2"]["recall"] > 0.3
