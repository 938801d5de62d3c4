"""Freezing beyond the contract over backbones: which layers open, and what BatchNorm does."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import keras_transfer as kt

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
LABELS = np.arange(8) % 3


def trainable_layers(model) -> set[str]:
    return {variable.path.split("/")[0] for variable in model.trainable_variables}


@pytest.mark.parametrize(
    ("unfrozen", "expected"),
    [
        ("head", {"logits"}),
        (0, {"logits"}),
        (1, {"logits", "third"}),
        ("late", {"logits", "third"}),
        ("middle", {"logits", "third", "second"}),
        (3, {"logits", "third", "second", "first"}),
        ("all", {"logits", "third", "second", "first"}),
    ],
)
def test_stages_open_from_the_output(toy, unfrozen, expected):
    kt.set_trainable(toy, unfrozen)
    assert trainable_layers(toy) == expected
    kt.set_trainable(toy, unfrozen, train_batch_norm=True)
    assert trainable_layers(toy) == expected | {f"{name}_bn" for name in expected - {"logits"}}


def moved(model, **kwargs) -> set[str]:
    before = {variable.path: variable.numpy() for variable in model.variables}
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(IMAGES, LABELS, epochs=2, batch_size=4, verbose=0)
    return {path for path, old in before.items() if not np.array_equal(old, dict_of(model)[path])}


def dict_of(model) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in model.variables}


def test_batch_norm_statistics_stay_still_in_open_stages_by_default(toy):
    kt.set_trainable(toy, "all")
    assert not {path for path in moved(toy) if "_bn/" in path}
    kt.set_trainable(toy, "middle", train_batch_norm=True)
    statistics = {path for path in moved(toy) if "moving" in path}
    assert {path.split("/")[0] for path in statistics} == {"second_bn", "third_bn"}


def test_batch_norm_in_open_stages_has_the_momentum_that_is_given(toy):
    norms = [layer for layer in toy.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [norm.momentum for norm in norms]
    kt.set_trainable(toy, 1, train_batch_norm=True)
    assert [norm.momentum for norm in norms] == before
    kt.set_trainable(toy, 1, train_batch_norm=0.8)
    assert {norm.momentum for norm in norms if norm.trainable} == {0.8}
    assert [norm.momentum for norm in norms if not norm.trainable] == before[
        : sum(not norm.trainable for norm in norms)
    ]
    kt.set_trainable(toy, 1, train_batch_norm=True)
    assert [norm.momentum for norm in norms] == before  # it has its own again
    with pytest.raises(kt.InputError, match="True or False, or a number above 0"):
        kt.set_trainable(toy, 1, train_batch_norm=1)


def test_batch_norm_of_the_head_always_trains():
    from conftest import toy_backbone

    model = kt.build_model(toy_backbone(), 3, image_size=32, head="mlp")
    kt.set_trainable(model, "head")
    assert {path.split("/")[0] for path in moved(model) if "moving" in path} == {"hidden1_norm"}


def test_random_layers_wake_when_their_stage_opens(toy):
    for unfrozen, random in (("all", True), ("head", False), ("all", True)):
        kt.set_trainable(toy, unfrozen)
        prefix, _ = kt.split(toy, "features")
        assert (not np.array_equal(prefix(IMAGES, training=True), prefix(IMAGES, training=True))) == random


def test_a_frozen_model_saves_like_any_other(toy, tmp_path):
    kt.set_trainable(toy, "head")
    toy.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.get_layer("second_dropout").rate == 0.3
    assert trainable_layers(again) == {"logits"}
    kt.set_trainable(again, "head")
    prefix, _ = kt.split(again, "features")
    assert np.array_equal(prefix(IMAGES, training=True), prefix(IMAGES))


def test_layers_inside_a_nested_model_are_frozen_too():
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)])
    images = keras.Input((32, 32, 3))
    model = kt.build_model(keras.Model(images, inner(images)), 3, image_size=32)
    kt.set_trainable(model, "head")
    prefix, _ = kt.split(model, "features")
    assert np.array_equal(prefix(IMAGES, training=True), prefix(IMAGES))
    assert {path.split("/")[0] for path in moved(model) if "seed" not in path} == {"logits"}


@pytest.mark.parametrize(
    ("unfrozen", "message"),
    [
        ("lat", "Did you mean 'late'"),
        (4, "Expected 0 to 3 last stages"),
        (-1, "a whole number of 0 or more"),
        (True, "Received: unfrozen=True"),
    ],
)
def test_unknown_stages_are_refused(toy, unfrozen, message):
    with pytest.raises(kt.InputError, match=message):
        kt.set_trainable(toy, unfrozen)
