"""Pictures of other than three channels, into pretrained networks and into networks of one's own."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
from networks import part_named, toy_backbone

import keras_transfer as kt

RNG = np.random.default_rng(0)
# one of each way to begin; whole ones where the beginning is not that of others
NAMES = ["MobileNet up to block1", "ConvNeXtTiny up to stage0"]
HEAVY = [
    "ResNet50 up to conv2",
    "EfficientNetB0 up to block2",
    "MobileNetV3Small",
    "ResNet50V2",
    "EfficientNetV2B0",
    "DenseNet121",
    "NASNetMobile",
    "VGG16",
    "InceptionV3",
]


def features(model, images):
    return keras.Model(model.input, model.get_layer("features").output).predict(images, verbose=0)


@pytest.fixture(scope="module", params=[*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in HEAVY)])
def pair(request):
    """The same weights in a network for three channels, and in one made for a number of them."""
    part = part_named(request.param)
    size = max(32, part.min_image_size)

    network = part.build(None, (size, size), None)
    return lambda channels: kt.build_model(replace(part, network=network), 2, image_size=size, channels=channels)


def test_one_channel_is_answered_like_three_equal_ones(pair):
    grey = RNG.integers(0, 256, (2, *pair(3).input_shape[1:3], 1)).astype("float32")
    model = pair(1)
    assert model.input_shape[3] == 1
    assert np.abs(features(model, grey) - features(pair(3), np.repeat(grey, 3, axis=-1))).max() == 0


def test_six_channels_are_answered_like_the_three_that_are_repeated(pair):
    colour = RNG.integers(0, 256, (2, *pair(3).input_shape[1:3], 3)).astype("float32")
    expected = features(pair(3), colour)
    found = features(pair(6), np.concatenate([colour, colour], axis=-1))
    assert np.abs(found - expected).max() <= 2e-4 * np.abs(expected).max()


def test_four_channels_are_each_treated_as_a_colour_was():
    part = toy_backbone()
    model = kt.build_model(part, 2, channels=4)
    kernel = model.get_layer("first").kernel.numpy()
    expected = part.network.get_layer("first").kernel.numpy()[:, :, [0, 1, 2, 0]] * 3 / 4
    assert np.allclose(kernel, expected)
    pictures = RNG.integers(0, 256, (40, 32, 32, 4)).astype("uint8")
    labels = np.arange(40) % 2
    pictures[..., 3] = 255 * labels[:, None, None]
    data = kt.data.from_arrays(pictures, labels, channels=4)
    history = kt.fine_tune(model, data, schedule=(kt.Phase(10, "all", 3e-3),), verbose=0)
    assert max(history.history["val_accuracy"]) == 1.0, "the fourth channel is seen"
    assert np.trace(kt.evaluate(model, data.validation).confusion) == 8
    assert kt.grad_cam(model, pictures[:2]).shape == (2, 32, 32)
    assert data.show(4)


def test_stages_freezing_and_reload_are_those_of_three_channels(tmp_path):
    model = kt.build_model(toy_backbone(), 2, channels=5)
    assert kt.stages(model) == kt.stages(kt.build_model(toy_backbone(), 2))
    kt.set_trainable(model, "head")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    pictures = RNG.integers(0, 256, (2, 32, 32, 5)).astype("float32")
    assert np.array_equal(again(pictures), model(pictures))


def test_a_network_of_ones_own_keeps_its_channels():
    network = keras.Sequential([keras.Input((16, 16, 4)), keras.layers.Conv2D(4, 3)])
    model = kt.build_model(network, 3, image_size=16)
    assert model.input_shape == (None, 16, 16, 4)
    pictures = RNG.integers(0, 256, (2, 16, 16, 4)).astype("float32")
    expected = network(pictures).numpy().mean(axis=(1, 2))
    assert np.allclose(features(model, pictures), expected, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_data_and_model_of_other_numbers_are_refused_in_words(channels):
    data = kt.data.from_arrays(
        RNG.integers(0, 256, (8, 32, 32, channels)).astype("uint8"), np.arange(8) % 2, channels=channels
    )
    assert data.kind.spec.shape == (32, 32, channels)
    with pytest.raises(kt.InputError, match=f"3 channels.*data with {channels}.*channels={channels}"):
        kt.fine_tune(kt.build_model(toy_backbone(), 2), data, verbose=0)
    assert "channels" in str(data)


def test_a_grey_model_is_served(tmp_path, pictures):
    grey = kt.build_model(toy_backbone(), 3, channels=1)
    version = kt.export(grey, tmp_path / "grey")
    paths = sorted(pictures.rglob("*.jpg"))[:4]
    served = kt.load(version)
    assert served.predict_probabilities(paths).shape == (4, 3)
    images = RNG.integers(0, 256, (2, 32, 32, 1)).astype("uint8")
    assert np.abs(served.predict_probabilities(images) - grey.predict(images, verbose=0)).max() < 1e-6


def test_the_export_of_four_channels_is_refused_before_work(tmp_path):
    with pytest.raises(kt.InputError, match=r"1 or 3 channels.*model\.export"):
        kt.export(kt.build_model(toy_backbone(), 3, channels=4), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_cannot_be_done_is_said():
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(kt.InputError, match="begins with a convolution"):
        kt.build_model(network, 3, image_size=16, channels=4)
    mixing = kt.Backbone(toy_backbone().network, lambda images: images**2, 32)
    with pytest.raises(kt.InputError, match="scales and shifts each channel"):
        kt.build_model(mixing, 3, channels=4)
    with pytest.raises(kt.InputError, match="strong.*3 channels"):
        pictures = np.zeros((8, 32, 32, 4), "uint8")
        kt.data.from_arrays(pictures, np.arange(8) % 2, channels=4, augment="strong")
