"""unlabelled: images whose labels nobody knows."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import write_pictures

import keras_transfer as kt
from keras_transfer.data.sources.unlabelled import blinded, is_labelled


def test_every_picture_below_a_folder_is_taken_whatever_the_folders(tmp_path):
    folder = write_pictures(tmp_path / "pictures", per_class=4)
    (folder / "red" / "0.jpg").rename(folder / "loose.jpg")
    data = kt.data.unlabelled(folder, image_size=32, batch_size=4, validation_split=0.25, exclude=["blue/*"])
    assert {split: len(part) for split, part in data.splits.items()} == {"train": 6, "validation": 2}
    names = {path.rsplit("/", 1)[-1] for part in data.splits.values() for path in part.items}
    assert "loose.jpg" in names and not any("/blue/" in path for part in data.splits.values() for path in part.items)
    images, labels = next(iter(data.train))
    assert images.shape == (4, 32, 32, 3) and np.isnan(labels).all() and not is_labelled(data)
    assert "6 images: all 6" in repr(data) and data.show(2).axes


def test_bad_files_are_left_out_and_said(tmp_path):
    folder = write_pictures(tmp_path / "pictures", per_class=2)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.warns(kt.DataWarning, match="1 of 7 images are left out"):
        data = kt.data.unlabelled(folder, image_size=32)
    assert [item.path.name for item in data.left_out] == ["broken.jpg"]


def test_the_split_depends_on_the_seed_alone():
    images = np.arange(20 * 8 * 8 * 3).reshape(20, 8, 8, 3).astype("float32") % 255
    found = [kt.data.unlabelled(images, seed=seed).splits["validation"].items for seed in (0, 0, 1)]
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_blinded_data_has_the_same_images_in_the_same_order_without_labels(data):
    """Each is told its epoch by itself: a count that both happen to share would hide an order of its own."""
    blind, orders = blinded(data), []
    for epoch in (3, 4):
        data.start_epoch(epoch)
        images = np.concatenate([batch for batch, _ in data.train])
        data.start_epoch(0)
        blind.start_epoch(epoch)
        others, labels = (np.concatenate(part) for part in zip(*blind.train.as_numpy_iterator(), strict=True))
        assert np.array_equal(images, others) and np.isnan(labels).all() and is_labelled(data)
        orders.append(others)
    assert not np.array_equal(*orders)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("no/such/folder", "not a folder"),
        (np.zeros((1, 8, 8, 3), "uint8"), "2 usable images or more.*Received: 1"),
        (np.zeros((4, 8, 8, 5), "uint8"), r"1, 3 or 4 channels.*uint8 \(4, 8, 8, 5\)"),
        (np.zeros((4, 8, 8, 3), "complex64"), "Expected `images`.*complex64"),
    ],
)
def test_what_are_no_images_is_refused(images, message):
    with pytest.raises(kt.InputError, match=message):
        kt.data.unlabelled(images)
