"""Reading: what a pass does without is counted and said, other errors reach the user, and arrays are held once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
import tensorflow as tf
from conftest import mostly_slow, write_pictures

import keras_transfer as kt
from keras_transfer.data.pixels import images
from keras_transfer.data.sources.unlabelled import blinded


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "photos", per_class=6)


def damage(path, *, keep_time: bool) -> None:
    """Writes other bytes to a file, with the time it had before if asked."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(b"x")
    if keep_time:
        os.utime(path, ns=times)


@pytest.mark.parametrize("cache", mostly_slow(["auto", False]))
def test_a_file_that_changed_and_kept_its_time_is_said(folder, toy, cache):
    data = kt.data.from_directory(folder, image_size=32, batch_size=4)
    damage(folder / "red" / "0.jpg", keep_time=True)
    with pytest.warns(kt.DataWarning) as said:
        kt.fine_tune(toy, data, schedule="feature_extraction", epochs=1, cache=cache, verbose=0)
    assert any("red/0.jpg" in str(each.message) for each in said)


def test_what_passes_do_without_is_counted_exactly_and_others_take_its_place(folder):
    data = kt.data.from_directory(folder, image_size=32, batch_size=4)
    count, names = len(data.splits["train"]), [str(path) for path in data.splits["train"].items]
    bad = [path for path in folder.rglob("*.jpg") if str(path) in names][:3]
    for path in bad:
        damage(path, keep_time=True)
    for _ in range(2):
        assert sum(len(labels) for _, labels in data.train) == count
    replaced = data.replaced()
    assert sorted(each.path for each in replaced) == sorted(bad) and {each.times for each in replaced} == {2}
    assert all(each.reason for each in replaced) and data.replaced() == []


def test_a_mistake_in_an_augmentation_reaches_the_user(folder):
    def wrong(image):
        return tf.ensure_shape(tf.reshape(image, [-1])[:7], [7])

    def unlucky(image):
        with tf.control_dependencies([tf.debugging.assert_less(tf.reduce_max(image), -1.0, "a mistake of mine")]):
            return tf.identity(image)

    with pytest.raises(ValueError):
        list(kt.data.from_directory(folder, image_size=32, augment=wrong).train)
    with pytest.raises(tf.errors.InvalidArgumentError, match="a mistake of mine"):
        list(kt.data.from_directory(folder, image_size=32, augment=unlucky).train)


def test_a_pass_over_files_that_are_all_gone_ends_with_their_names(folder):
    data = kt.data.from_directory(folder, image_size=32, batch_size=4)
    for path in folder.rglob("*.jpg"):
        path.unlink()
    with pytest.raises((kt.DataError, tf.errors.OpError), match="none can be read any more"):
        list(data.train)


def test_a_pass_without_trouble_says_nothing(folder, toy):
    data = kt.data.from_directory(folder, image_size=32, batch_size=4)
    kt.fine_tune(toy, data, schedule="feature_extraction", epochs=1, verbose=0)  # a warning is an error in the tests
    assert data.replaced() == [] == data.changed_files()


def test_copies_of_data_have_epochs_of_their_own(data):
    data.start_epoch(3)
    hidden = blinded(data)
    hidden.start_epoch(7)
    (fold, *_) = kt.data.folds(data, 2)
    fold.start_epoch(9)
    assert (data.epoch, hidden.epoch, fold.epoch) == (3, 7, 9)
    data.start_epoch(0)


@pytest.mark.slow
def test_arrays_are_held_once_whatever_is_read():
    """In a process of its own, which reads its pipelines in several ways; peaks are of the whole process."""
    code = """
import resource, sys
import numpy as np, keras_transfer as kt
kt.build_model; kt.data.from_arrays(np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 2).train
images = np.random.default_rng(0).integers(0, 256, (1500, 200, 200, 3), dtype="uint8")
labels = np.arange(1500) % 2
for _ in kt.data.from_arrays(images[:64], labels[:64]).train: pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
data = kt.data.from_arrays(images, labels, batch_size=16)
for dataset in (data.train, data.validation, data.in_order("train"), data.in_order("train")):
    for _ in dataset.take(3): pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / images.nbytes)
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 1.6  # one copy, that of the splits; it was more than five


@pytest.mark.slow
def test_images_that_were_kept_are_let_go_with_their_data(folder):
    """Three data sets of 19 MB each, decoded and kept in memory, after one that warms everything up.

    In a process of its own: in one that ran many tests the allocator takes five data sets to come to rest.
    """
    code = f"""
import gc, psutil, keras_transfer as kt
sizes = []
for seed in range(4):
    data = kt.data.from_directory({str(folder)!r}, image_size=600, batch_size=4, seed=seed)
    for _ in data.train: pass
    del data
    gc.collect()
    sizes.append(psutil.Process().memory_info().rss)
print(sizes[-1] - sizes[0])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 28e6, "one of three may be in what the allocator has not given back"


def test_nothing_of_tensorflow_is_said_while_pictures_are_read(folder, caplog):
    images._decoder.cache_clear()
    tensorflow = logging.getLogger("tensorflow")
    tensorflow.addHandler(caplog.handler)
    try:
        for _ in kt.data.from_directory(folder, image_size=32).train:
            pass
    finally:
        tensorflow.removeHandler(caplog.handler)
    assert not caplog.records, [record.getMessage() for record in caplog.records]
