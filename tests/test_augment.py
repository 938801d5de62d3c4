"""Augmentation: by name, function, layer or list; the same pictures for the same seed; labels mixed with the images."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt

LAYERS = [
    keras.layers.RandomFlip("horizontal_and_vertical"),
    keras.layers.RandomRotation(0.1),
    keras.layers.RandomZoom(0.2),
    keras.layers.RandomTranslation(0.1, 0.1),
    keras.layers.RandomBrightness(0.2),
    keras.layers.RandomContrast(0.2),
    keras.layers.RandAugment(),
    keras.layers.AugMix(),
    keras.layers.RandomErasing(1.0),
]


def read(arrays, augment, **options) -> kt.data.ImageData:
    data = dataclasses.replace(arrays, augment=augment, **options)
    data.start_epoch(0)
    return data


def epoch(data, number=0):
    data.start_epoch(number)
    return [np.concatenate(part) for part in zip(*data.train.as_numpy_iterator(), strict=True)]


@pytest.mark.parametrize("augment", kt.available("augmentation"))
def test_augmentations_keep_shape_and_range(augment):
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (30, 30, 3)), tf.float32)
    change = kt.augment.find(augment)
    first, again = (change(image, tf.constant([0, 1], tf.int64)) for _ in range(2))
    seeds = [(0, index) for index in range(2, 8)] + [(2**32, 1)]  # of other images, and of the next epoch
    others = [change(image, tf.constant(seed, tf.int64)) for seed in seeds]
    assert first.shape == image.shape and first.dtype == tf.float32 and np.array_equal(first, again)
    assert float(tf.reduce_min(first)) >= -1e-3 and float(tf.reduce_max(first)) <= 255 + 1e-3
    assert any(not np.array_equal(first, other) for other in others) == (augment != "none")


@pytest.mark.parametrize(
    "layer",
    [
        pytest.param(layer, marks=() if number < 2 or isinstance(layer, keras.layers.RandAugment) else pytest.mark.slow)
        for number, layer in enumerate(LAYERS)
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_of_keras_give_the_same_pictures_for_the_same_seed(arrays, layer):
    first, again, other = (read(arrays, layer, seed=seed) for seed in (0, 0, 1))
    pictures_of = [epoch(data, 3)[0] for data in (first, again, other)]
    assert np.array_equal(pictures_of[0], pictures_of[1])
    assert not np.array_equal(np.sort(pictures_of[0], 0), np.sort(pictures_of[2], 0))
    assert not np.array_equal(epoch(first, 4)[0], pictures_of[0])


def test_a_list_is_applied_in_order(arrays):
    double, add = (lambda image: image * 2), (lambda image: image + 1)
    plain = epoch(read(arrays, "none"))[0]
    assert np.allclose(epoch(read(arrays, [double, add]))[0], plain * 2 + 1)
    assert np.allclose(epoch(read(arrays, [add, double]))[0], plain * 2 + 2)
    assert np.array_equal(epoch(read(arrays, ["light"]))[0], epoch(read(arrays, "light"))[0])


@pytest.mark.parametrize(("mixing", "layer"), [("mixup", keras.layers.MixUp(0.2)), ("cutmix", keras.layers.CutMix())])
def test_mixing_mixes_labels_as_it_mixes_images(arrays, mixing, layer):
    """Images that hold their class, so that what is mixed can be read from them."""
    images = np.zeros((24, 32, 32, 3), "float32")
    labels = np.arange(24) % 3
    images[np.arange(24), :, :, labels] = 255
    data = kt.data.from_arrays(images, labels, augment=mixing, batch_size=8, validation_split=0.25)
    mixed, shares = epoch(data)
    assert shares.dtype == np.float32 and np.allclose(shares.sum(axis=1), 1)
    assert np.allclose(
        mixed.mean(axis=(1, 2)) / 255, shares, atol=0.07 if mixing == "cutmix" else 1e-5
    )  # boxes end on pixels
    assert ((shares > 0.01) & (shares < 0.99)).any(), "something was mixed"
    assert all(np.array_equal(*pair) for pair in zip(epoch(data), (mixed, shares), strict=True))
    assert not np.array_equal(epoch(data, 1)[1], shares)
    by_layer = kt.data.from_arrays(images, labels, augment=layer, batch_size=8, validation_split=0.25)
    assert np.allclose(epoch(by_layer)[1], shares)
    _, held = next(iter(data.validation))
    assert set(np.unique(held)) == {0.0, 1.0} and held.shape == (6, 3)


def test_training_with_mixing_uses_the_loss_for_shares_and_no_cache(arrays, toy, capsys):
    data = read(arrays, ["light", "cutmix"])
    history = kt.fine_tune(toy, data, epochs=2, verbose=2, callbacks=[])
    assert "cache: off, since images are mixed" in capsys.readouterr().out
    assert toy.loss == "categorical_crossentropy" and 0 <= history.history["accuracy"][-1] <= 1
    report = kt.evaluate(toy, data.validation, class_names=data.class_names)
    assert report.metrics["accuracy"] == pytest.approx(toy.evaluate(data.validation, verbose=0)[1])
    assert kt.find_learning_rate(toy, data, steps=20, verbose=0).losses.size
    with pytest.raises(kt.InputError, match="images that are not mixed"):
        kt.CachedDataset(toy, data)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (["light", "cutmx"], "Did you mean"),
        (["mixup", "light"], "one mixing of a batch at the end"),
        (["mixup", "cutmix"], "one mixing of a batch at the end"),
        ([3], "a function of an image or a Keras layer"),
    ],
)
def test_what_cannot_be_applied_is_refused(arrays, augment, message):
    with pytest.raises(kt.InputError, match=message):
        read(arrays, augment)


def test_several_labels_cannot_be_mixed():
    with pytest.raises(kt.InputError, match="one class an image, to mix"):
        kt.data.from_arrays(
            np.zeros((8, 8, 8, 3), "uint8"), np.eye(4, dtype=int)[np.arange(8) % 4] | [1, 0, 0, 0], augment="mixup"
        )


def test_any_side_up_gives_all_eight_sides():
    image = tf.reshape(tf.range(12, dtype=tf.float32), (2, 2, 3))
    change = kt.augment.find("any_side_up")
    seen = {change(image, tf.constant([0, seed], tf.int64)).numpy().tobytes() for seed in range(100)}
    assert len(seen) == 8
    wide = tf.zeros((2, 3, 3))
    assert change(wide, tf.constant([0, 0], tf.int64)).shape == (2, 3, 3)


def test_mirror_shows_the_image_and_its_mirror_image_in_turn():
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype("uint8")
    data = kt.data.from_arrays(images, np.arange(8) % 2, augment="mirror", seed=7)
    split = data.splits["train"].items.astype("float32")
    for epoch, expected in ((0, split), (1, split[:, :, ::-1]), (2, split)):
        found = np.concatenate([batch for batch, _ in data.in_order("train", epoch=epoch)])
        assert np.array_equal(found, expected)


def test_trivial_leaves_some_images_and_changes_others_in_many_ways():
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (24, 24, 3)), tf.float32)
    change = kt.augment.find("trivial")
    found = [change(image, tf.constant([0, number], tf.int64)).numpy() for number in range(60)]
    same = sum(np.array_equal(each, image) for each in found)
    assert 0 < same < 30 and len({each.tobytes() for each in found}) > 30
    ramp = tf.tile(tf.range(0.0, 256.0)[None, :, None], (4, 1, 3))
    turned = [change(ramp, tf.constant([0, number], tf.int64)).numpy() for number in range(120)]
    negative = [each for each in turned if np.allclose(each, 255 - ramp, atol=1)]
    assert len(negative) < 3  # solarization turns what is bright alone
