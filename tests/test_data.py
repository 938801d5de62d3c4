"""Data: every source gives ImageData; bad files are named, left out and left where they are."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tensorflow as tf
from conftest import write_pictures

import keras_transfer as kt


def labels_of(dataset) -> list[int]:
    return [int(label) for _, labels in dataset for label in labels]


def test_flat_folder_is_split_by_class_share(data):
    assert data.counts == {
        "train": dict.fromkeys(data.class_names, 8),
        "validation": dict.fromkeys(data.class_names, 2),
    }
    assert data.class_names == ("blue", "green", "red") and data.test is None
    images, labels = next(iter(data.train))
    assert images.shape == (8, 32, 32, 3) and images.dtype == tf.float32 and labels.dtype == tf.int64
    assert float(tf.reduce_min(images)) >= 0 and 100 < float(tf.reduce_max(images)) <= 255


def test_split_depends_on_the_seed_alone(pictures):
    first, again, other = (kt.data.from_directory(pictures, image_size=32, seed=seed) for seed in (3, 3, 4))
    items = [list(data.splits["validation"].items) for data in (first, again, other)]
    assert items[0] == items[1] != items[2]


def test_split_folders_are_used(tmp_path):
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        write_pictures(tmp_path / split, per_class=count)
    data = kt.data.from_directory(tmp_path, image_size=32)
    assert {split: sum(counts.values()) for split, counts in data.counts.items()} == {
        "train": 12,
        "validation": 6,
        "test": 9,
    }
    assert labels_of(data.test) == [0] * 3 + [1] * 3 + [2] * 3


def test_each_epoch_has_its_own_order_that_can_be_repeated(pictures):
    data = kt.data.from_directory(pictures, image_size=32, augment="strong")
    epochs = [np.concatenate([images for images, _ in data.train]) for _ in range(3)]
    assert not np.array_equal(epochs[0], epochs[1])
    data.start_epoch(1)
    assert np.array_equal(np.concatenate([images for images, _ in data.train]), epochs[1])
    elsewhere = kt.data.from_directory(pictures, image_size=32, augment="strong")
    elsewhere.start_epoch(2)
    assert np.array_equal(np.concatenate([images for images, _ in elsewhere.train]), epochs[2])


def test_every_image_comes_once_an_epoch(data):
    assert sorted(labels_of(data.train)) == [0] * 8 + [1] * 8 + [2] * 8
    assert int(data.train.cardinality()) == 3


def test_augmentation_may_be_a_function(pictures):
    data = kt.data.from_directory(pictures, image_size=32, augment=lambda image: image * 0 + 7)
    assert float(tf.reduce_max(next(iter(data.train))[0])) == 7
    assert float(tf.reduce_max(next(iter(data.validation))[0])) > 100, "training pictures alone are augmented"


def test_bad_files_are_named_and_left_out_and_stay(tmp_path):
    folder = write_pictures(tmp_path / "photos", per_class=6)
    picture = (folder / "red" / "0.jpg").read_bytes()
    bad = {
        "red/empty.jpg": b"",
        "red/text.png": b"this is no picture",
        "green/truncated.jpg": picture[: len(picture) // 2],
        "blue/really_a_gif.jpg": b"GIF89a" + bytes(40),
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / "red" / "notes.txt").write_text("not named like an image")
    with pytest.warns(UserWarning, match="4 of 22 images are left out") as caught:
        data = kt.data.from_directory(folder, image_size=32)
    for name, content in bad.items():
        assert name in str(caught[0].message)
        assert (folder / name).read_bytes() == content
    assert {str(item.path.relative_to(folder)) for item in data.left_out} == set(bad)
    assert sum(sum(counts.values()) for counts in data.counts.values()) == 18
    assert len(labels_of(data.train)) == data.splits["train"].labels.size, "training does not stop"


def test_the_only_picture_of_another_format_is_pointed_out(tmp_path):
    folder = write_pictures(tmp_path / "photos", per_class=7)
    (folder / "red" / "placeholder.png").write_bytes(tf.io.encode_png(np.zeros((9, 9, 3), "uint8")).numpy())
    with pytest.warns(UserWarning, match="placeholder.png is the only PNG among 22"):
        kt.data.from_directory(folder, image_size=32)
    with pytest.warns(UserWarning, match="1 of 22 images are left out"):
        data = kt.data.from_directory(folder, image_size=32, exclude=["*.png"])
    assert [item.reason for item in data.left_out] == ["is excluded"]


def _one_class(folder):
    write_pictures(folder, classes=("red",))


def _loose(folder):
    write_pictures(folder, classes=("red",))
    for picture in (folder / "red").iterdir():
        picture.rename(folder / picture.name)


def _single(folder):
    write_pictures(folder, classes=("red", "blue"))
    write_pictures(folder, per_class=1, classes=("green",))


def _stranger(folder):
    write_pictures(folder / "train")
    (folder / "val" / "yellow").mkdir(parents=True)
    (folder / "val" / "yellow" / "0.jpg").write_bytes((folder / "train" / "red" / "0.jpg").read_bytes())


def _texts(folder):
    (folder / "red").mkdir(parents=True)
    (folder / "red" / "a.txt").write_text("x")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "which is not a folder"),
        (lambda folder: folder.mkdir(), "no image in any class folder"),
        (_texts, "no image in any class folder"),
        (_loose, "images lie in it directly"),
        (_one_class, r"2 or more classes. Received: 1, \['red'\]"),
        (_single, "1 of 'green'"),
        (_stranger, r"Received also: \['yellow'\]"),
    ],
)
def test_folders_that_cannot_be_learnt_from_are_refused(tmp_path, make, message):
    make(tmp_path / "photos")
    with pytest.raises(kt.InputError, match=message):
        kt.data.from_directory(tmp_path / "photos")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "croop"}, "Did you mean 'crop'"),
        ({"augment": "lite"}, "Did you mean 'light'"),
        ({"augment": 3}, "a function of an image"),
        ({"validation_split": 1.5}, r"`validation_split` to be a number in \(0, 1\)"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"image_size": 0}, "`image_size` to be a whole number of pixels above 0"),
    ],
)
def test_wrong_options_are_refused(pictures, options, message):
    with pytest.raises(kt.InputError, match=message):
        kt.data.from_directory(pictures, **options)


def test_arrays_give_the_same_form():
    images = np.random.default_rng(0).integers(0, 256, (20, 10, 12, 3)).astype("uint8")
    data = kt.data.from_arrays(images, np.arange(20) % 2, class_names=["even", "odd"], image_size=(10, 12))
    read, labels = next(iter(data.validation))
    assert np.array_equal(read, data.splits["validation"].items) and len(read) == 4
    for picture, label in zip(read.numpy(), labels.numpy(), strict=True):
        (index,) = [i for i in range(20) if np.array_equal(images[i], picture)]
        assert index % 2 == label
    several = kt.data.from_arrays(images, np.eye(3, dtype=int)[np.arange(20) % 3] | [1, 0, 0])
    assert several.counts["train"]["0"] == 16 and next(iter(several.train))[1].shape == (16, 3)
    with pytest.raises(kt.InputError, match="Expected `images`|1, 3 or 4 channels"):
        kt.data.from_arrays(images[..., :2], np.arange(20))
    with pytest.raises(kt.InputError, match="`labels` integers"):
        kt.data.from_arrays(images, np.arange(19))


def test_tensorflow_datasets_give_the_same_form(tmp_path):
    import tensorflow_datasets as tfds

    write_pictures(tmp_path / "train", per_class=5)
    write_pictures(tmp_path / "test", per_class=2)
    data = kt.data.from_tfds(tfds.folder_dataset.ImageFolder(str(tmp_path)), image_size=32)
    assert data.class_names == ("blue", "green", "red")
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 12,
        "test": 6,
        "validation": 3,
    }
    direct = kt.data.from_directory(tmp_path, image_size=32)
    assert np.array_equal(
        np.sort(next(iter(data.test))[0].numpy().ravel()), np.sort(next(iter(direct.test))[0].numpy().ravel())
    )


def test_what_hinders_a_dataset_is_told_apart(monkeypatch):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    with pytest.raises(kt.InputError, match="Unknown dataset.*Did you mean 'mnist'"):
        kt.data.from_tfds("mnis")
    with pytest.raises(kt.InputError, match="cannot be loaded at version 9.9.9"):
        kt.data.from_tfds("mnist:9.9.9")

    def hindered(error):
        def prepare(self, **options):
            raise error

        monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", prepare)

    hindered(ConnectionError("no route to host"))
    with pytest.raises(kt.DownloadError, match="not on this machine and cannot be downloaded.*no route to host"):
        kt.data.from_tfds("mnist")
    hindered(NonMatchingChecksumError("Artifact mnist.gz has wrong checksum"))
    with pytest.raises(kt.DownloadError, match="not those that TensorFlow Datasets expects.*wrong checksum"):
        kt.data.from_tfds("mnist")
    hindered(ZeroDivisionError("a mistake in a builder"))
    with pytest.raises(ZeroDivisionError, match="a mistake in a builder"):
        kt.data.from_tfds("mnist")


def test_class_weights_even_out(tmp_path):
    write_pictures(tmp_path, per_class=12, classes=("red",))
    write_pictures(tmp_path, per_class=4, classes=("blue",))
    data = kt.data.from_directory(tmp_path, image_size=32, validation_split=0.25)
    assert data.class_weights == {0: pytest.approx(12 / (2 * 3)), 1: pytest.approx(12 / (2 * 9))}


def test_sample_is_a_figure(data):
    assert len(data.show(4).axes) == 4 and len(data.show(9, augmented=True).axes) == 9


def test_a_name_that_is_not_utf8_is_left_out(tmp_path):
    folder = write_pictures(tmp_path / "photos", per_class=6)
    content = (folder / "red" / "0.jpg").read_bytes()
    (folder / "red" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(content)
    with pytest.warns(kt.DataWarning, match="not UTF-8"):
        data = kt.data.from_directory(folder, image_size=32)
    assert len(data.left_out) == 1 and "red" in str(data.left_out[0])


def test_names_with_spaces_and_letters_of_all_kinds_work(tmp_path):
    folder = write_pictures(tmp_path / "mes photos", per_class=3)
    (folder / "red").rename(folder / "écureuil roux ☀")
    data = kt.data.from_directory(folder, image_size=32)
    assert "écureuil roux ☀" in data.class_names and len(labels_of(data.train)) == 6


def test_formats_that_cannot_be_decoded_are_pointed_out(tmp_path):
    folder = write_pictures(tmp_path / "photos", per_class=3)
    (folder / "red" / "phone.jxl").write_bytes(b"x")
    with pytest.warns(kt.DataWarning, match=r"red holds 1 files that are not read, \['.jxl'\]"):
        kt.data.from_directory(folder, image_size=32)


def test_a_class_may_be_called_train(tmp_path):
    data = kt.data.from_directory(_renamed(write_pictures(tmp_path / "photos", per_class=3)), image_size=32)
    assert data.class_names == ("blue", "green", "train")


def _renamed(folder):
    (folder / "red").rename(folder / "train")
    return folder


def test_an_empty_validation_folder_is_refused(tmp_path):
    write_pictures(tmp_path / "train", per_class=3)
    (tmp_path / "val" / "red").mkdir(parents=True)
    with pytest.raises(kt.InputError, match="usable images in .*val"):
        kt.data.from_directory(tmp_path)


def test_decoded_images_are_kept_if_they_fit(tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "photos", per_class=4)
    data = kt.data.from_directory(folder, image_size=32, seed=1)
    first = [np.concatenate([images for images, _ in part]) for part in (data.train, data.validation)]
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"gone")
    data.start_epoch(0)
    again = [np.concatenate([images for images, _ in part]) for part in (data.train, data.validation)]
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))

    monkeypatch.setattr("keras_transfer.data.pipelines.reading.available_memory", lambda: 1000)
    read_anew = kt.data.ImageData(data.splits, data.class_names, data.image_size)
    with pytest.raises(tf.errors.OpError):
        list(read_anew.in_order("train"))
    with pytest.raises(tf.errors.OpError):
        list(read_anew.train)


def test_a_dataset_of_ones_own_gives_the_same_form(tmp_path):
    import tensorflow_datasets as tfds

    class Stripes(tfds.core.GeneratorBasedBuilder):
        """Pictures of one grey each."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(20, 20, 3)),
                "label": tfds.features.ClassLabel(num_classes=2),
            }
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(16), "test": self._generate_examples(4)}

        def _generate_examples(self, count):
            for index in range(count):
                yield index, {"image": np.full((20, 20, 3), 15 * index, "uint8"), "label": index % 2}

    builder = Stripes(data_dir=str(tmp_path))
    builder.download_and_prepare()
    data = kt.data.from_tfds(builder, image_size=24, validation_split=0.25)
    assert data.counts == {"train": {"0": 6, "1": 6}, "test": {"0": 2, "1": 2}, "validation": {"0": 2, "1": 2}}
    for images, labels in data.test:
        assert images.shape == (4, 24, 24, 3)
        assert [int(image[0, 0, 0]) // 15 % 2 for image in images] == labels.numpy().tolist()
