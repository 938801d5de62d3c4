"""Data from a table: what it reads, what it leaves out, and how it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import write_pictures

import keras_transfer as kt


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("photos"), per_class=6)


@pytest.fixture
def frame(photos) -> pd.DataFrame:
    paths = sorted(path.relative_to(photos) for path in photos.rglob("*.jpg"))
    return pd.DataFrame({"image": map(str, paths), "label": [path.parent.name for path in paths]})


def read(frame, photos, **options):
    return kt.data.from_dataframe(frame, **{"root": photos, "image_size": 32, **options})


def test_a_frame_a_dict_and_a_csv_file_give_the_same(frame, photos, tmp_path):
    frame.to_csv(photos / "list.csv", index=False)
    first = read(frame, photos)
    for other in (read(frame.to_dict("list"), photos), read(photos / "list.csv", None)):
        assert list(other.splits["train"].items) == list(first.splits["train"].items)
    assert first.class_names == ("blue", "green", "red")
    assert first.counts["validation"] == dict.fromkeys(first.class_names, 1)
    assert next(iter(first.train))[0].shape == (15, 32, 32, 3)


def test_splits_and_groups_come_from_columns(frame, photos):
    frame["part"] = ["train", "val", "test"] * 6
    data = read(frame, photos, split_column="part")
    assert {split: len(examples) for split, examples in data.splits.items()} == dict.fromkeys(
        ("train", "validation", "test"), 6
    )
    frame["patient"] = [index // 2 for index in range(18)]
    grouped = read(frame, photos, group_column="patient", validation_split=0.34)
    assert not set(grouped.splits["train"].groups) & set(grouped.splits["validation"].groups)


def test_several_labels_come_from_columns_or_a_separator(frame, photos):
    frame["warm"] = (frame["label"] == "red").astype(int)
    frame["cold"] = (frame["label"] != "red").astype(int)
    data = read(frame, photos, label_column=["warm", "cold"])
    frame["tags"] = ["red|warm" if label == "red" else label for label in frame["label"]]
    tagged = read(frame, photos, label_column="tags", label_separator="|")
    assert data.class_names == ("warm", "cold") and tagged.class_names == ("blue", "green", "red", "warm")
    images, labels = next(iter(tagged.train))
    assert labels.shape == (len(images), 4)
    assert tagged.counts["train"]["red"] == tagged.counts["train"]["warm"] == data.counts["train"]["warm"]


def test_numbers_are_sorted_as_numbers_and_a_missing_label_is_left_out(frame, photos):
    frame["label"] = [2.0, 10.0, np.nan] * 6
    with pytest.warns(kt.DataWarning, match="has no label"):
        data = read(frame, photos)
    assert data.class_names == ("2", "10") and len(data.left_out) == 6


def test_rows_that_cannot_be_used_are_named_and_the_counts_add_up(frame, photos, tmp_path):
    rows = [("red/nowhere.jpg", "red"), ("red/0.txt", "red"), ("red", "red"), ("red/0.jpg", "red")]
    frame = pd.concat([frame, pd.DataFrame(rows, columns=["image", "label"])], ignore_index=True)
    with pytest.warns(kt.DataWarning, match="4 of 22 images are left out"):
        data = read(frame, photos)
    reasons = {item.path.name: item.reason for item in data.left_out}
    assert reasons["nowhere.jpg"].startswith("cannot be read (No such file")
    assert "not named like an image" in reasons["0.txt"] and "not named like an image" in reasons["red"]
    assert "is listed in row" in reasons["0.jpg"]
    assert sum(len(examples) for examples in data.splits.values()) + len(data.left_out) == len(frame)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda frame: frame.rename(columns={"image": "images"}), {}, "Did you mean 'images'"),
        (lambda frame: frame.assign(label=0.37), {}, "Received: 0.37 in row 1.*from_arrays"),
        (lambda frame: frame.assign(label=[[1]] * 18), {}, "2 or more classes"),
        (lambda frame: frame.assign(label=[{}] * 18), {}, "Received: dict in row 1"),
        (lambda frame: frame.assign(image="https://a.b/c.jpg"), {}, "Download them first"),
        (lambda frame: frame.assign(image=5), {}, "Expected paths in the column 'image'. Received: 5 in row 1"),
        (lambda frame: frame, {"class_names": ["blue", "green"]}, "Received: 'red' in row 13"),
        (lambda frame: frame.assign(part="trian"), {"split_column": "part"}, "Received: 'trian' in row 1"),
        (
            lambda frame: frame.assign(part="val"),
            {"split_column": "part"},
            "Expected usable images in the split 'train'",
        ),
        (lambda frame: frame.assign(part=1), {"group_column": "part"}, "2 or more groups"),
        (
            lambda frame: frame,
            {"label_column": ["label"]},
            "Expected 0 or 1 in the column 'label', .* Received: 'blue'",
        ),
        (lambda frame: pd.concat([frame, frame.assign(label="red")]), {}, "row 1 and row 19, with different labels"),
        (lambda frame: 7, {}, "a DataFrame or the path of a CSV file. Received: int"),
        (lambda frame: "no/such.csv", {}, "Expected a CSV file in UTF-8"),
        (lambda frame: frame.assign(label="red"), {}, "2 or more classes"),
    ],
)
def test_wrong_tables_are_refused(frame, photos, change, options, message):
    with pytest.raises(kt.InputError, match=message):
        read(change(frame), photos, **options)


@pytest.mark.parametrize("text", ['image,label\n"a.jpg', "image,label\na.jpg\n", "image,label\na.jpg,b,c\n"])
def test_broken_csv_files_are_refused(tmp_path, text):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(kt.InputError, match="Expected a CSV file|fields in every line"):
        kt.data.from_dataframe(tmp_path / "list.csv")


def test_a_class_missing_from_a_split_is_said_and_seen_in_the_counts(frame, photos):
    frame["part"] = ["train"] * 16 + ["val"] * 2
    with pytest.warns(kt.DataWarning, match=r"The validation split has no image of \['blue', 'green'\]"):
        data = read(frame, photos, split_column="part")
    assert data.counts["validation"] == {"blue": 0, "green": 0, "red": 2}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("header", [True, False])
def test_csv_files_as_they_are_written(frame, photos, tmp_path, separator, encoding, header):
    frame["label"] = frame["label"].replace("red", "Gr\u00fcn")
    frame.to_csv(tmp_path / "list.csv", index=False, sep=separator, encoding=encoding, header=header)
    assert read(tmp_path / "list.csv", photos).class_names == ("Gr\u00fcn", "blue", "green")


@pytest.mark.parametrize("names", [("filename", "class"), ("path", "label"), ("Image_ID", "Target")])
def test_columns_with_usual_names_are_found(frame, photos, names):
    assert read(frame.rename(columns=dict(zip(("image", "label"), names, strict=True))), photos).num_classes == 3


def test_paths_as_they_are_written(frame, photos):
    expected = read(frame, photos)
    windows = frame.assign(image=[path.replace("/", "\\") for path in frame["image"]])
    bare = frame.assign(image=[path.removesuffix(".jpg") for path in frame["image"]])
    for other in (read(windows, photos), read(bare, photos, suffix=".jpg")):
        assert other.splits["train"].items.tolist() == expected.splits["train"].items.tolist()
    numbers = frame[frame["label"] == "red"].assign(image=range(6), label=["a", "b"] * 3)
    assert len(read(numbers, photos / "red", suffix=".jpg", validation_split=0.34).splits["train"]) == 4
    with pytest.raises(kt.InputError, match="suffix='.jpg'"):
        read(numbers, photos / "red")


def test_cells_may_be_lists_of_names_and_columns_say_yes_and_no(frame, photos):
    tags = frame.assign(label=[[name, "warm"] if name == "red" else (name,) for name in frame["label"]])
    data = read(tags, photos)
    assert data.class_names == ("blue", "green", "red", "warm") and data.task.name == "several_labels"
    assert data.counts["train"]["red"] == data.counts["train"]["warm"] > 0
    yes = frame.assign(
        warm=np.where(frame["label"] == "red", "Yes", "no"), cold=np.where(frame["label"] == "red", "FALSE", "True")
    )
    assert read(yes, photos, label_column=["warm", "cold"]).counts["train"]["warm"] == data.counts["train"]["warm"]


def test_numbers_that_are_not_whole_are_values_to_estimate(frame, photos, tmp_path):
    table = frame.assign(weight=np.linspace(0.5, 9.0, len(frame)), count=range(len(frame)))
    table.loc[0, "weight"] = np.nan
    table.to_csv(tmp_path / "list.csv", index=False)
    for source in (table, tmp_path / "list.csv"):
        with pytest.warns(kt.DataWarning, match="has no label"):
            data = read(source, photos, label_column="weight")
        assert data.task.name == "regression" and data.class_names == ("weight",)
        by_path = dict(zip(data.splits["train"].items, data.splits["train"].labels[:, 0], strict=True))
        rows = {str(photos / path): weight for path, weight in zip(table["image"], table["weight"], strict=True)}
        assert all(by_path[path] == np.float32(rows[path]) for path in by_path)
    counts = read(table, photos, label_column="count", task="regression")
    assert counts.task.name == "regression" and counts.splits["train"].labels.dtype == np.float32
    both = read(table.fillna(1.5), photos, label_column=["weight", "count"])
    assert both.class_names == ("weight", "count") and next(iter(both.train))[1].shape[1] == 2
    with pytest.raises(kt.InputError, match=r"Expected numbers in \['label'\]. Received: \['blue'\] in row 1"):
        read(table, photos, task="regression")
