"""Data from TFRecord files: numbers or names as labels, damage named and left out."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt


def feature_of(value) -> tf.train.Feature:
    values = value if isinstance(value, list) else [value]
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[each.encode() for each in values]))


def write(path, rows, image_key="image/encoded", label_key="image/class/label", compression=""):
    with tf.io.TFRecordWriter(str(path), compression) as writer:
        for content, label, *text in rows:
            features = {image_key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))}
            if label is not None:
                features[label_key] = feature_of(label)
            if text:
                features["image/class/text"] = feature_of(text)
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return path


def png(level: int) -> bytes:
    return tf.io.encode_png(np.full((20, 20, 3), level, "uint8")).numpy()


@pytest.fixture
def rows():
    return [(png(10 * index), index % 2) for index in range(20)]


def test_labels_may_be_numbers_or_names(tmp_path, rows):
    numbered = kt.data.from_tfrecord(write(tmp_path / "a.tfrecord", rows), image_size=32)
    names = [(content, "odd" if label else "even") for content, label in rows]
    named = kt.data.from_tfrecord(write(tmp_path / "b.tfrecord", names), image_size=32)
    assert numbered.class_names == ("0", "1") and named.class_names == ("even", "odd")
    for data in (numbered, named):
        images, labels = next(iter(data.train))
        assert images.shape == (16, 32, 32, 3)
        assert [int(image[0, 0, 0]) // 10 % 2 for image in images] == labels.numpy().tolist()


def test_patterns_and_splits(tmp_path, rows):
    for index in range(2):
        write(tmp_path / f"train-{index}.tfrecord", rows[index::2] if index else rows[1::2] + rows[::2])
    validation = write(tmp_path / "val.tfrecord", rows[:4])
    data = kt.data.from_tfrecord(tmp_path / "train-*.tfrecord", validation, class_names=["even", "odd"], image_size=32)
    assert len(data.splits["train"]) == 30 and data.counts["validation"] == {"even": 2, "odd": 2}


def test_bad_images_and_damaged_files_are_left_out(tmp_path, rows):
    rows[5] = (b"no image", 1)
    path = write(tmp_path / "a.tfrecord", rows)
    damaged = write(tmp_path / "b.tfrecord", rows[:5])
    damaged.write_bytes(damaged.read_bytes()[:-20])
    with pytest.warns(kt.DataWarning, match="2 of 25 images are left out"):
        data = kt.data.from_tfrecord([path, damaged], image_size=32)
    text = "\n".join(map(str, data.left_out))
    assert "a.tfrecord#5: cannot be decoded" in text and "b.tfrecord: is damaged after 4 records" in text
    assert sum(len(examples) for examples in data.splits.values()) == 23


@pytest.mark.parametrize("compression", ["GZIP", "ZLIB"])
def test_compressed_files_are_read_as_they_are(tmp_path, rows, compression):
    data = kt.data.from_tfrecord(write(tmp_path / "a.tfrecord", rows, compression=compression), image_size=32)
    assert data.class_names == ("0", "1") and sum(map(len, data.splits.values())) == 20


@pytest.mark.parametrize(
    ("label_of", "names", "task"),
    [
        (lambda odd: 1 + odd, ("1", "2"), "classification"),
        (lambda odd: 7 * odd, ("0", "7"), "classification"),
        (lambda odd: [1 - odd, odd], ("0", "1"), "classification"),
        (lambda odd: [1.0 - odd, float(odd)], ("0", "1"), "classification"),
        (lambda odd: [1, odd], ("0", "1"), "several_labels"),
        (lambda odd: odd * 0.5, ("0",), "regression"),
    ],
)
def test_labels_as_they_lie_about(tmp_path, rows, label_of, names, task):
    path = write(tmp_path / "a.tfrecord", [(content, label_of(label)) for content, label in rows])
    data = kt.data.from_tfrecord(path, image_size=32)
    assert data.class_names == names and data.task.name == task
    images, labels = next(iter(data.train))
    odd = [int(image[0, 0, 0]) // 10 % 2 for image in images]
    if task == "classification":
        assert labels.numpy().tolist() == odd
    else:
        assert np.allclose(labels, np.array([label_of(each) for each in odd]).reshape(len(odd), -1))


def test_names_beside_numbers_are_the_names_of_the_classes(tmp_path, rows):
    named = [(content, 1 + label, "odd" if label else "even") for content, label in rows]
    data = kt.data.from_tfrecord(write(tmp_path / "a.tfrecord", named), image_size=32)
    assert data.class_names == ("even", "odd") and data.counts["train"] == {"even": 8, "odd": 8}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda rows: [(content, None) for content, _ in rows], {}, r"Received: \['image/encoded'\] in record 0"),
        (lambda rows: [*rows, (png(0), "name")], {}, "Received both: 0 and 'name'"),
        (lambda rows: rows, {"class_names": ["one"]}, "2 or more classes|Received: 1"),
        (lambda rows: rows, {"image_key": "photo"}, "Name them with image_key"),
        (lambda rows: [(b"x", label) for _, label in rows], {}, "20 records, none usable"),
    ],
)
def test_wrong_records_are_refused(tmp_path, rows, change, options, message):
    with pytest.raises(kt.InputError, match=message):
        kt.data.from_tfrecord(write(tmp_path / "a.tfrecord", change(rows)), **options)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(kt.InputError, match="which matches none"):
        kt.data.from_tfrecord(tmp_path / "nowhere-*.tfrecord")
    with tf.io.TFRecordWriter(str(tmp_path / "x.tfrecord")) as writer:
        writer.write(b"\xff\xff no example")
    with pytest.raises(kt.InputError, match="a tf.train.Example"):
        kt.data.from_tfrecord(tmp_path / "x.tfrecord")
