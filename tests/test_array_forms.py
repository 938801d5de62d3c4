"""Arrays as people have them: each form becomes the one form of ImageData, or is refused in a sentence."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import keras_transfer as kt
from keras_transfer.data.sources.array_forms import as_images, as_labels

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 8, 10, 3)).astype("uint8")
NUMBERS = np.arange(12) % 3
GREY = IMAGES[..., 0]
THREE = np.repeat(GREY[..., np.newaxis], 3, axis=-1)


@pytest.mark.parametrize(
    ("images", "options", "expected"),
    [
        (IMAGES, {}, IMAGES),
        (list(IMAGES), {}, IMAGES),
        (IMAGES.tolist(), {}, IMAGES),
        (tf.constant(IMAGES), {}, IMAGES),
        (GREY, {}, THREE),
        (GREY[..., np.newaxis], {}, THREE),
        (np.concatenate([IMAGES, IMAGES[..., :1]], axis=-1), {}, IMAGES),
        (IMAGES.astype("int64"), {}, IMAGES),
        (IMAGES.astype("float64"), {}, IMAGES),
        (IMAGES.astype("float16"), {}, IMAGES),
        (IMAGES > 127, {}, (IMAGES > 127) * 255),
        (IMAGES / 255, {"pixel_range": (0, 1)}, IMAGES),
        (IMAGES / 127.5 - 1, {"pixel_range": (-1, 1)}, IMAGES),
        (IMAGES.astype("uint16") * 16, {"pixel_range": (0, 255 * 16)}, IMAGES),
        (IMAGES.astype("uint16") * 16, {}, IMAGES * (255 * 16 / 4095)),  # twelve bits are used
        (IMAGES.astype("int32") * 257, {}, IMAGES),  # sixteen bits are
    ],
)
def test_a_form_becomes_pixels_from_0_to_255(images, options, expected):
    found = as_images(images, **options)
    assert found.dtype in (np.uint8, np.float32) and found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * 255


def test_images_of_several_sizes_are_kept_to_the_bit():
    images = [RNG.integers(0, 256, (6 + number % 3, 9, 3)).astype("uint8") for number in range(12)]
    data = kt.data.from_arrays(images, NUMBERS, image_size=(6, 9), validation_split=0.25)
    kept = [tf.io.decode_png(item).numpy() for part in data.splits.values() for item in part.items]
    assert {each.tobytes() for each in kept} == {each.tobytes() for each in images}
    assert next(iter(data.train))[0].shape == (9, 6, 9, 3)
    with pytest.raises(kt.InputError, match="`image_size` for images of several sizes"):
        kt.data.from_arrays(images, NUMBERS)
    images[0] = np.zeros((6, 9, 3), "uint8")  # a black picture is no sign that all are scaled
    grey = kt.data.unlabelled([image[..., 0] for image in images], image_size=6)
    assert sum(map(len, grey.splits.values())) == 12


@pytest.mark.parametrize(
    ("scaled", "said"), [(IMAGES / 255, r"from 0 to 1.*\(0, 1\)"), (IMAGES / 127.5 - 1, r"\(-1, 1\)")]
)
def test_scaled_images_are_said(scaled, said):
    with pytest.warns(kt.DataWarning, match=said):
        kt.data.from_arrays(scaled, NUMBERS)


def test_scaled_images_of_several_sizes_are_said_once_and_scaled_together():
    images = [RNG.uniform(0, 1, (6 + number % 3, 9, 3)) for number in range(12)]
    with pytest.warns(kt.DataWarning, match=r"pixel_range=\(0, 1\)") as told:
        as_images(images)
    assert len(told) == 1
    first = tf.io.decode_png(as_images(images, (0, 1))[0]).numpy()
    assert np.array_equal(first, np.rint(images[0].astype("float32") * np.float32(255)))


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (IMAGES[0], {}, "For one image write"),
        (IMAGES[..., :2], {}, "1, 3 or 4 channels"),
        (IMAGES.astype(complex), {}, "Expected `images`"),
        (np.full((2, 4, 4, 3), np.nan), {}, "not-a-number"),
        (np.full((2, 4, 4, 3), np.inf, "float32"), {}, "infinity"),
        ([], {}, "Expected `images`"),
        (["a.jpg"], {}, "Expected `images`"),
        (IMAGES, {"pixel_range": (1, 0)}, "black below white"),
    ],
)
def test_what_are_no_images_is_refused(images, options, message):
    with pytest.raises(kt.InputError, match=message):
        as_images(images, **options)


@pytest.mark.parametrize(
    ("labels", "options", "expected", "names"),
    [
        (NUMBERS, {}, NUMBERS, ("0", "1", "2")),
        (NUMBERS.tolist(), {}, NUMBERS, ("0", "1", "2")),
        (NUMBERS[:, np.newaxis], {}, NUMBERS, ("0", "1", "2")),
        (NUMBERS.astype("uint8"), {}, NUMBERS, ("0", "1", "2")),
        (NUMBERS + 1, {}, NUMBERS, ("1", "2", "3")),
        (NUMBERS + 1, {"class_names": list("abc")}, NUMBERS, ("a", "b", "c")),
        (NUMBERS * 5, {}, NUMBERS, ("0", "5", "10")),
        (NUMBERS, {"class_names": list("abcd")}, NUMBERS, ("a", "b", "c", "d")),
        (NUMBERS == 1, {}, NUMBERS == 1, ("0", "1")),
        (keras.utils.to_categorical(NUMBERS), {}, NUMBERS, ("0", "1", "2")),
        (keras.utils.to_categorical(NUMBERS).astype(int), {"class_names": list("abc")}, NUMBERS, ("a", "b", "c")),
        (np.array(list("cab"))[NUMBERS], {}, [2, 0, 1] * 4, ("a", "b", "c")),
        (np.array(list("cab"), object)[NUMBERS], {"class_names": list("cab")}, NUMBERS, ("c", "a", "b")),
        (np.array([b"10", b"9", b"1"])[NUMBERS], {}, [2, 1, 0] * 4, ("1", "9", "10")),
        (pd.Series(list("cab"))[NUMBERS], {}, [2, 0, 1] * 4, ("a", "b", "c")),
        (NUMBERS.astype(float), {"task": "classification"}, NUMBERS, ("0", "1", "2")),
        (NUMBERS.astype(float), {}, NUMBERS[:, np.newaxis], ("0",)),
        (NUMBERS, {"task": "regression", "class_names": ["height"]}, NUMBERS[:, np.newaxis], ("height",)),
        (np.eye(3, dtype=int)[NUMBERS], {"task": "several_labels"}, np.eye(3)[NUMBERS], ("0", "1", "2")),
        (np.eye(3, dtype=int)[NUMBERS] | [1, 0, 0], {}, np.eye(3, dtype=int)[NUMBERS] | [1, 0, 0], ("0", "1", "2")),
    ],
)
def test_a_form_of_labels_becomes_that_of_its_task(labels, options, expected, names):
    found, of_classes = as_labels(labels, 12, **{"class_names": None, "task": None, **options})
    assert np.array_equal(found, expected) and of_classes == names


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (NUMBERS[:-1], {}, "Expected `labels` integers"),
        (NUMBERS - 1, {}, "Received: -1"),
        (NUMBERS, {"class_names": ["a"]}, "a name for each"),
        (np.array(list("abc"))[NUMBERS], {"class_names": ["a", "b"]}, "Received: 'c'"),
        (np.array(["a", None, "b"], object)[NUMBERS], {}, "Received: None"),
        (np.where(NUMBERS == 1, np.nan, 1.0), {}, "not-a-number"),
        (NUMBERS, {"task": "clasification"}, "Did you mean 'classification'"),
        (np.eye(3)[NUMBERS], {"class_names": ["a", "b"]}, "a name for each of the classes"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels, options, message):
    with pytest.raises(kt.InputError, match=message):
        as_labels(labels, 12, **{"class_names": None, "task": None, **options})
