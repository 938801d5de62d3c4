"""How far two sets are apart: nothing between halves of one set, everything between colours."""

from __future__ import annotations

import numpy as np
import pytest

import keras_transfer as kt


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (80, 32, 32, 3)).astype("uint8")


def test_halves_of_a_set_are_not_apart_and_darker_images_are(toy, noise):
    labels = np.arange(40) % 2
    first, second = (kt.data.from_arrays(images, labels) for images in (noise[:40], noise[40:]))
    dark = kt.data.from_arrays(noise[40:] // 4, labels)
    same, other = kt.data.compare(first, second, toy), kt.data.compare(first, dark, toy)
    assert same.distance < 0.8 and same.p_value > 0.01
    assert other.distance > 1.8 and other.accuracy > 0.95 and other.p_value < 1e-6
    assert "proxy A-distance" in str(other) and len(other.plot().axes) == 1
    assert other.first.shape == (32, 16) and other.distance == pytest.approx(2 * (2 * other.accuracy - 1))
    assert kt.data.compare(first, dark, toy).distance == other.distance


def test_batches_without_labels_will_do(toy, noise):
    data = kt.data.from_arrays(noise, np.arange(80) % 2)
    images = data.validation.map(lambda images, labels: images)
    assert kt.data.compare(data.validation, images, toy).distance < 0.8


def test_what_cannot_be_compared_is_refused(toy, noise):
    data = kt.data.from_arrays(noise, np.arange(80) % 2)
    few = kt.data.from_arrays(noise[:8], np.arange(8) % 2)
    with pytest.raises(kt.InputError, match="10 images or more in each set. Received: 6"):
        kt.data.compare(data, few, toy)
    with pytest.raises(kt.InputError, match="a layer 'features'"):
        kt.data.compare(data, data, kt.split(toy, "features")[1])
