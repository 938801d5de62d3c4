"""Averages of weights: interpolate and soup against sums by hand, BatchNorm, and what cannot be averaged."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.training import blending

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def data():
    """Three classes by the shade, with noise; 30 images for validation."""
    labels = np.arange(120) % 3
    images = RNG.normal(60 + 60 * labels[:, None, None, None], 25, (120, 32, 32, 3)).clip(0, 255).astype("uint8")
    return kt.data.from_arrays(images, labels, image_size=32, validation_split=0.25, batch_size=16)


def build():
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), 3, image_size=32)


def tuned(data, unfrozen, rate, seed=0, **options):
    model = build()
    keras.utils.set_random_seed(seed)
    kt.fine_tune(model, data, schedule=(kt.Phase(1, unfrozen, rate),), verbose=0, **options)
    return model


@pytest.fixture(scope="module")
def two(data):
    """A model and one that went too far from it, so that a model between them is better than both."""
    before, after = tuned(data, "head", 1e-2), tuned(data, "late", 1e-2)
    pairs = zip(before.get_weights(), after.get_weights(), strict=True)
    after.set_weights([near if np.array_equal(near, far) else 6 * far - 5 * near for near, far in pairs])
    return before, after


def mixed(models, shares):
    return [
        sum(s * w for s, w in zip(shares, ws, strict=True))
        for ws in zip(*(m.get_weights() for m in models), strict=True)
    ]


def loss_with(weights, data):
    model = build()
    model.set_weights(weights)
    return kt.evaluate(model, data.validation).metrics["loss"]


def test_the_share_with_the_smallest_loss_is_taken(two, data, capsys):
    states = [model.get_weights() for model in two]
    shares = (0, 0.25, 0.5, 0.75, 1)
    losses = [loss_with(mixed(two, (1 - share, share)), data) for share in shares]
    found = kt.interpolate(*two, data, shares=shares)
    best = int(np.argmin(losses))
    assert best not in (0, 4)
    for weight, expected in zip(found.get_weights(), mixed(two, (1 - shares[best], shares[best])), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)
    assert kt.evaluate(found, data.validation).metrics["loss"] == pytest.approx(min(losses), abs=1e-5)
    assert f"share of {shares[best]:g}" in capsys.readouterr().out
    for model, state in zip(two, states, strict=True):
        assert all(map(np.array_equal, model.get_weights(), state)), "neither of the two is changed"
    assert found.class_names == data.class_names and kt.stages(found) == kt.stages(two[0])


def test_what_is_computed_once_gives_the_losses_of_the_whole(two, data, monkeypatch):
    once = blending._Blends(two, data)
    assert once._inputs is not None
    monkeypatch.setattr(blending, "_MEMORY", 0)
    whole = blending._Blends(two, data)
    assert whole._inputs is None
    for shares in ((1, 0), (0.3, 0.7), (0, 1)):
        assert once.loss(shares) == pytest.approx(whole.loss(shares), abs=1e-5)


@pytest.mark.slow
def test_a_soup_keeps_what_does_not_raise_the_loss(data):
    good, worse, bad = tuned(data, "head", 3e-2), tuned(data, "late", 1e-2, seed=1), build()
    bad.get_layer("logits").bias.assign([-9, 0, 9])
    found = kt.soup([bad, good, worse], data, verbose=0)
    loss = kt.evaluate(found, data.validation).metrics["loss"]
    alone = [kt.evaluate(model, data.validation).metrics["loss"] for model in (good, worse)]
    together = loss_with(mixed([good, worse], (0.5, 0.5)), data)
    assert loss == pytest.approx(min(*alone, *([together] if together <= min(alone) else [])), abs=1e-5)
    same = kt.soup([good, good], data, verbose=0)
    assert all(np.allclose(*pair, atol=1e-6) for pair in zip(same.get_weights(), good.get_weights(), strict=True))


def test_statistics_of_batch_norm_are_taken_anew_where_they_differ(data):
    before, after = build(), tuned(data, "all", 1e-2, train_batch_norm=True)
    found = kt.interpolate(before, after, data, shares=(0.5,), verbose=0)
    norms = [layer for layer in found.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert norms
    name = norms[0].name
    mean, ends = norms[0].moving_mean.numpy(), [model.get_layer(name) for model in (before, after)]
    halfway = sum(end.moving_mean.numpy() for end in ends) / 2
    inputs = keras.Model(found.inputs, norms[0].input).predict(
        data.in_order("train").map(lambda images, labels: images), verbose=0
    )
    np.testing.assert_allclose(mean, inputs.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-3)
    assert not np.allclose(mean, halfway, rtol=1e-3)


def test_too_few_validation_images_choose_nothing_and_that_is_said(two, data):
    few = kt.data.ImageData(
        {name: part.take(range(10)) if name == "validation" else part for name, part in data.splits.items()},
        data.class_names,
        data.image_size,
    )
    with pytest.warns(kt.DataWarning, match="10 validation images are too few"):
        found = kt.interpolate(*two, few)
    for weight, expected in zip(found.get_weights(), mixed(two, (0.5, 0.5)), strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


def test_a_model_that_diverged_is_left_out(two, data):
    lost = build()
    lost.set_weights([np.full_like(weight, np.nan) for weight in lost.get_weights()])
    found = kt.interpolate(two[0], lost, data, shares=(0, 0.5, 1), verbose=0)
    assert all(map(np.array_equal, found.get_weights(), two[0].get_weights()))
    found = kt.soup([lost, two[0]], data, verbose=0)
    assert all(map(np.array_equal, found.get_weights(), two[0].get_weights()))


def test_labels_are_renumbered_to_the_models_order(two, data):
    turned = data.with_classes(("2", "0", "1"))
    expected = kt.evaluate(two[0], data.validation).metrics["loss"]
    assert blending._Blends(two, turned).loss((1, 0)) == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_averaged_is_refused(two, data):
    other = build()
    other.class_names = ("1", "0", "2")
    with pytest.raises(kt.InputError, match="same classes in the same order"):
        kt.interpolate(two[0], other, data)
    with pytest.raises(kt.InputError, match="same layers and settings"):
        kt.interpolate(two[0], kt.build_model(toy_backbone(), 3, image_size=32, pooling="max"), data)
    with pytest.raises(kt.InputError, match="numbers in"):
        kt.interpolate(*two, data, shares=["0.5"])
    with pytest.raises(kt.InputError, match="same layers"):
        kt.interpolate(two[0], kt.build_model(toy_backbone(), 4, image_size=32), data)
    alone = kt.data.ImageData({"train": data.splits["train"]}, data.class_names, data.image_size)
    with pytest.raises(kt.DataError, match="validation split"):
        kt.interpolate(*two, alone)
    with pytest.raises(kt.InputError, match="two models or more"):
        kt.soup([two[0]], data)
