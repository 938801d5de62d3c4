"""Splits: groups on one side, folds in which each image is once for validation, and files that keep a split."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from conftest import write_pictures

import keras_transfer as kt
from keras_transfer.data.splitting.splits import grouped


@pytest.mark.parametrize("share", [0.2, 0.35, 0.7])
def test_no_group_is_on_both_sides_and_the_share_is_near(share):
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 60, 300)
    labels = groups % 3
    train, validation = grouped(labels, groups, share, 0, ["a", "b", "c"])
    assert not set(groups[train]) & set(groups[validation])
    assert sorted([*train, *validation]) == list(range(300))
    assert abs(len(validation) / 300 - share) < 0.08
    again, other = (grouped(labels, groups, share, seed, ["a", "b", "c"])[1] for seed in (0, 1))
    assert np.array_equal(again, validation) and not np.array_equal(other, validation)


def test_a_class_that_is_one_group_cannot_be_split():
    """Whatever the seed."""
    for seed in range(20):
        with pytest.raises(kt.InputError, match="'b' in 1, which cannot be split"):
            grouped(np.array([0] * 8 + [1] * 4), np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8]), 0.3, seed, ["a", "b"])


@pytest.fixture
def bursts(tmp_path):
    """Three colours, each with six pictures of three bursts, and a copy of each first picture."""
    folder = write_pictures(tmp_path / "bursts", per_class=6)
    for path in sorted(folder.rglob("*.jpg")):
        path.rename(path.with_name(f"burst{int(path.stem) // 2}_{path.stem}.jpg"))
    return folder


def test_groups_come_from_a_function_of_the_path(bursts):
    data = kt.data.from_directory(
        bursts, image_size=32, groups=lambda path: (path.parent.name, path.stem[:6]), validation_split=0.34
    )
    sides = [
        {(path.split("/")[-2], path.split("/")[-1][:6]) for path in data.splits[split].items}
        for split in ("train", "validation")
    ]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == 9


def test_pictures_that_look_the_same_stay_together(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index in range(8):
            coarse = rng.uniform(0, 255, (8, 8, 3))
            for copy, side in enumerate((80, 72)):
                picture = tf.cast(tf.clip_by_value(tf.image.resize(coarse, (side, side), "bicubic"), 0, 255), tf.uint8)
                (tmp_path / name / f"{index}_{copy}.jpg").write_bytes(tf.io.encode_jpeg(picture, quality=80).numpy())
    data = kt.data.from_directory(tmp_path, image_size=32, groups="duplicates", validation_split=0.25)
    sides = [{path[: path.rindex("_")] for path in data.splits[split].items} for split in ("train", "validation")]
    assert len(sides[0]) == 12 and len(sides[1]) == 4 and not sides[0] & sides[1]
    with pytest.raises(kt.InputError, match="groups='duplicates', a function"):
        kt.data.from_directory(tmp_path, groups="duplicate")


def test_each_image_is_once_for_validation(data):
    parts = kt.data.folds(data, 5)
    held = [path for part in parts for path in part.splits["validation"].items]
    assert sorted(held) == sorted([*data.splits["train"].items, *data.splits["validation"].items])
    for part in parts:
        assert part.counts["validation"] == dict.fromkeys(part.class_names, 2)
        assert not set(part.splits["train"].items) & set(part.splits["validation"].items)
        assert next(iter(part.train))[0].shape == (8, 32, 32, 3)
    with pytest.raises(kt.InputError, match="Expected 11 images of each class or more"):
        kt.data.folds(data, 11)
    with pytest.raises(kt.InputError, match="`count` to be a whole number of 2 or more"):
        kt.data.folds(data, 1)


def test_folds_keep_groups_on_one_side(bursts):
    data = kt.data.from_directory(
        bursts, image_size=32, groups=lambda path: (path.parent.name, path.stem[:6]), validation_split=0.34
    )
    for part in kt.data.folds(data, 3):
        assert not set(part.splits["train"].groups) & set(part.splits["validation"].groups)


def test_a_split_can_be_written_and_read_back(tmp_path, pictures):
    data = kt.data.from_directory(pictures, image_size=32, seed=5)
    kt.data.save_split(data, tmp_path / "split.csv")
    again = kt.data.from_dataframe(tmp_path / "split.csv", root=pictures, split_column="split", image_size=32)
    assert again.class_names == data.class_names
    for split, examples in data.splits.items():
        assert list(again.splits[split].items) == list(examples.items)
        assert np.array_equal(again.splits[split].labels, examples.labels)
    assert "/" not in (tmp_path / "split.csv").read_text().splitlines()[1].split(",")[0].split("/", 1)[1]
    with pytest.raises(kt.InputError, match="images that are files"):
        kt.data.save_split(kt.data.from_arrays(np.zeros((8, 8, 8, 3), "uint8"), np.arange(8) % 2), tmp_path / "x.csv")
    with pytest.raises(kt.InputError, match="folder that can be written to"):
        kt.data.save_split(data, "/dev/null/split.csv")


def test_the_order_of_the_file_system_does_not_matter(pictures, monkeypatch):
    from pathlib import Path

    first = kt.data.from_directory(pictures, image_size=32, seed=3)
    listed = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: reversed(list(listed(self, pattern))))
    second = kt.data.from_directory(pictures, image_size=32, seed=3)
    assert list(first.splits["validation"].items) == list(second.splits["validation"].items)
