"""Pictures with 16 bits a channel, of which fewer are used: training, the export and the shell see the same grey."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from networks import toy_backbone
from PIL import Image

import keras_transfer as kt
from keras_transfer.data.pixels.images import load_image
from keras_transfer.data.sources.bit_depth import deep_values

SAME = {"image_size": 32, "batch_size": 8}


def levels(bits: int) -> np.ndarray:
    """A ramp over all values of some bits, uint16 `(32, 32)`."""
    return np.linspace(0, 2**bits - 1, 32 * 32).round().reshape(32, 32).astype("uint16")


def folder_of(root, bits, suffix="png"):
    for name, part in (("bright", 1.0), ("dark", 0.4)):
        (root / name).mkdir(parents=True)
        for number in range(4):
            values = (levels(bits) * part).astype("uint16")
            Image.fromarray(values).save(root / name / f"{number}.{suffix}")
    return root


@pytest.mark.parametrize("bits", [9, 12, 16])
def test_a_set_is_scaled_by_the_bits_that_it_uses(tmp_path, bits):
    data = kt.data.from_directory(folder_of(tmp_path / "x", bits), **SAME)
    assert data.pixel_range == (0, 2**bits - 1)
    images = np.concatenate([images for images, _ in data.train])
    brightest = images[images.max(axis=(1, 2, 3)) == 255][0]
    expected = levels(bits) * (255 / (2**bits - 1))
    assert np.abs(brightest[..., 0] - expected).max() <= 0.501 and np.ptp(brightest, axis=-1).max() == 0
    assert len(np.unique(brightest)) == 256


def test_a_range_of_ones_own_is_a_window(tmp_path):
    data = kt.data.from_directory(folder_of(tmp_path / "x", 12), pixel_range=(1000, 2000), **SAME)
    images = np.concatenate([images for images, _ in data.validation])
    expected = ((levels(12).astype("float32") - 1000) * 0.255).clip(0, 255).round()
    assert any(np.abs(image[..., 0] - expected).max() <= 1 for image in images)
    with pytest.raises(kt.InputError, match=r"\(black, white\)"):
        kt.data.from_directory(tmp_path / "x", pixel_range=(5, 5), **SAME)


def test_eight_bits_have_no_other_range(pictures):
    assert kt.data.from_directory(pictures, **SAME).pixel_range is None


def test_a_file_that_is_gone_is_left_to_reading():
    assert not deep_values(["no/such.png", "no/such.jpg", "no/such.tif"], False, 32)


@pytest.mark.slow
def test_the_export_and_its_description_have_the_range(tmp_path):
    data = kt.data.from_directory(folder_of(tmp_path / "x", 12), **SAME)
    model = kt.build_model(toy_backbone(), 2, image_size=32, activation="softmax")
    head = [layer for layer in model.layers if layer.weights][-1]
    head.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in head.weights])
    version = kt.export(model, tmp_path / "served", data=data)
    paths = [str(path) for path in data.splits["validation"].items]
    answered = kt.load(version).predict_probabilities(paths)
    trained_on = np.concatenate([images for images, _ in data.validation])
    assert np.abs(answered - model(trained_on)).max() <= 1e-5
    whole = np.stack([load_image(tf.io.read_file(path), (32, 32), "crop") for path in paths])
    assert np.abs(trained_on - whole).max() > 100, "16 bits taken as a whole are nearly black"


@pytest.mark.slow
def test_a_set_that_is_scaled_otherwise_than_the_training_data_is_said(tmp_path):
    data = kt.data.from_directory(folder_of(tmp_path / "x", 12), **SAME)
    other = kt.data.from_directory(folder_of(tmp_path / "y", 10), **SAME)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    kt.fine_tune(model, data, epochs=1, schedule="feature_extraction", verbose=0)
    model.save(tmp_path / "m.keras")
    kt.evaluate(model, data.validation)
    again = kt.load_model(tmp_path / "m.keras")
    with pytest.warns(kt.DataWarning, match=r"\(0.0, 1023.0\) are black .* pixel_range=\(0.0, 4095.0\)"):
        kt.evaluate(again, other.validation)
    with pytest.warns(kt.DataWarning, match=r"Read them with pixel_range=\(0.0, 4095.0\)"):
        kt.fine_tune(again, other, epochs=1, schedule="feature_extraction", verbose=0)
    kt.evaluate(again, kt.data.from_directory(tmp_path / "x", pixel_range=(0, 1023), **SAME).validation)


def test_records_and_tables_are_measured_too(tmp_path):
    root = folder_of(tmp_path / "x", 12)
    table = {
        "image": [f"{name}/{number}.png" for name in ("bright", "dark") for number in range(4)],
        "label": ["bright"] * 4 + ["dark"] * 4,
    }
    assert kt.data.from_dataframe(table, root=root, **SAME).pixel_range == (0, 4095)
    assert kt.data.unlabelled(root, **SAME).pixel_range == (0, 4095)
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord")) as writer:
        for label, name in enumerate(("bright", "dark")):
            for number in range(4):
                content = (root / name / f"{number}.png").read_bytes()
                feature = {
                    "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
                    "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                }
                writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    assert kt.data.from_tfrecord(tmp_path / "x.tfrecord", **SAME).pixel_range == (0, 4095)
