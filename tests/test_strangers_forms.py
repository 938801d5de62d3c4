"""Forms that a stranger brought: what each of them becomes, or what the refusal says."""

from __future__ import annotations

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_transfer as kt
from keras_transfer.data.files import check_files
from keras_transfer.data.pixels.images import decode

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 16, 16, 3)).astype("uint8")
HALVES = np.arange(20) % 2


@pytest.mark.parametrize("colours", [2, 8, 200, 256])
def test_the_palette_of_a_bmp_is_used_in_the_graph_too(colours):
    quadrants = np.zeros((32, 32, 3), "uint8")
    quadrants[:16, :16], quadrants[:16, 16:], quadrants[16:, :16] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    picture = Image.fromarray(quadrants).quantize(colours)
    file = io.BytesIO()
    picture.save(file, "BMP")
    assert np.array_equal(decode(tf.constant(file.getvalue()), 10**6), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_other_bmp_files_are_as_they_were(mode):
    picture = Image.fromarray(PIXELS[0]).convert(mode)
    file = io.BytesIO()
    picture.save(file, "BMP")
    assert np.array_equal(decode(tf.constant(file.getvalue()), 10**6), np.asarray(picture.convert("RGB")))


def test_files_that_are_not_read_are_said(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.fromarray(PIXELS[number]).save(tmp_path / name / f"{number}.png")
    for name in ("x.tga", "without", "y.pdf", "notes.txt", ".DS_Store"):
        (tmp_path / "a" / name).write_bytes(b"x")
    with pytest.warns(kt.DataWarning, match=r"a holds 3 files that are not read, \['.pdf', '.tga', 'without'\]"):
        kt.data.from_directory(tmp_path, image_size=16)
    others = kt.data.check(tmp_path).by_kind()["warning", "other formats"]
    assert sorted(path.name for finding in others for path in finding.paths) == ["without", "x.tga", "y.pdf"]


@pytest.mark.parametrize("dtype", ["int16", "int32", "int64"])
def test_whole_numbers_below_zero_are_said_and_kept(dtype):
    values = np.linspace(-1000, 3000, 256).reshape(1, 16, 16).repeat(20, 0).astype(dtype)
    with pytest.warns(kt.DataWarning, match=r"from -1000 to 3000.*pixel_range=\(-1000.0, 3000.0\)"):
        data = kt.data.from_arrays(values, HALVES)
    assert data.splits["train"].items.min() == -1000
    data = kt.data.from_arrays(values, HALVES, pixel_range=(-1000, 3000))
    assert (data.splits["train"].items.min(), data.splits["train"].items.max()) == (0, 255)


def test_shares_of_classes_are_no_classes():
    with pytest.raises(kt.DataError, match="argmax"):
        kt.data.from_arrays(PIXELS, np.eye(2)[HALVES] * 0.8 + 0.1, task="classification")


def test_labels_without_a_value_are_said():
    import pandas as pd

    labels = pd.Series([pd.NA, *["a", "b"] * 9, "a"], dtype="string")
    with pytest.raises(kt.DataError, match="Expected a name for each image"):
        kt.data.from_arrays(PIXELS, labels)


@pytest.fixture
def table(tmp_path):
    def write(cells, encoding="utf-8", head="image;weight"):
        for index in range(len(cells)):
            Image.fromarray(PIXELS[index]).save(tmp_path / f"{index}.png")
        lines = [head, *(f"{index}.png;{cell}" for index, cell in enumerate(cells))]
        (tmp_path / "list.csv").write_bytes("\n".join(lines).encode(encoding))
        return tmp_path / "list.csv"

    return write


def test_a_decimal_comma_is_read(table):
    path = table(["0,5", "10,25", "-3", "7,125"] * 5)
    data = kt.data.from_dataframe(path, label_column="weight", image_size=16)
    values = np.concatenate([examples.labels[:, 0] for examples in data.splits.values()])
    assert sorted(values) == sorted([0.5, 10.25, -3, 7.125] * 5)
    with pytest.raises(kt.DataError, match="'1,000', which may be a whole number or a fraction"):
        kt.data.from_dataframe(table(["1,000", "2,500"] * 4), label_column="weight", task="regression", image_size=16)


def test_commas_between_labels_are_no_decimals(table):
    path = table(["1,2", "2", "1", "3,1"] * 5)
    data = kt.data.from_dataframe(path, label_column="weight", label_separator=",", image_size=16, validation_split=0.5)
    assert data.task.name == "several_labels" and data.class_names == ("1", "2", "3")
    path = table(["1,25", "2,5"] * 6)
    data = kt.data.from_dataframe(path, label_column="weight", task="classification", image_size=16)
    assert data.class_names == ("1,25", "2,5")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_what_excel_writes_is_read(table, encoding):
    path = table(["grün", "weiß"] * 5, encoding, "image;label")
    assert kt.data.from_dataframe(path, image_size=16).class_names == ("grün", "weiß")


def test_many_channels_in_pages_are_refused(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "bands.tif", RNG.integers(0, 256, (32, 32, 5)).astype("uint8"))
    (left_out,) = check_files([tmp_path / "bands.tif"], 32)
    assert "look like 5 channels" in left_out.reason and "from_arrays with channels=" in left_out.reason


def test_channels_that_come_first_are_told_how_to_move():
    with pytest.raises(kt.InputError, match=r"images\.transpose\(0, 2, 3, 1\)"):
        kt.data.from_arrays(PIXELS.transpose(0, 3, 1, 2), HALVES)


@pytest.mark.parametrize("names", [["a", "a", "c"], ["a", "", "c"], ["a", " a", "c"]])
def test_names_of_outputs_are_one_for_each(trained, names, tmp_path):
    model, *_ = trained
    with pytest.raises(kt.DataError, match="a name of its own for each output"):
        kt.export(model, tmp_path, class_names=names)


def test_base64_text_is_no_path_and_is_not_repeated(exported):
    with pytest.raises(kt.InputError, match="no path; base64 text is decoded first") as caught:
        kt.load(exported).predict(["iVBORw0KGgo" * 400])
    assert len(str(caught.value)) < 300


@pytest.fixture(scope="module")
def model():
    network = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Conv2D(4, 3)])
    model = kt.build_model(network, 2, image_size=16)
    model.get_layer("logits").kernel.assign(RNG.normal(size=(4, 2)))
    model.class_names = ("no", "yes")
    return model


@pytest.fixture(scope="module")
def expected(model):
    return kt.evaluate(model, (PIXELS, HALVES)).confusion.tolist()


def test_evaluate_takes_one_picture_at_a_time(model, expected):
    class Pairs:
        def __len__(self):
            return len(PIXELS)

        def __getitem__(self, index):
            return PIXELS[index], HALVES[index]

    found = [
        kt.evaluate(model, ((image, label) for image, label in zip(PIXELS, HALVES, strict=True))),
        kt.evaluate(model, Pairs()),
        kt.evaluate(model, ((Image.fromarray(image), label) for image, label in zip(PIXELS, HALVES, strict=True))),
        kt.evaluate(model, tf.data.Dataset.from_tensor_slices((PIXELS, HALVES))),
    ]
    assert [report.confusion.tolist() for report in found] == [expected] * 4


def test_evaluate_takes_names_as_labels(model, expected):
    names = np.array(["no", "yes"])[HALVES]
    assert kt.evaluate(model, (PIXELS, names)).confusion.tolist() == expected
    with pytest.raises(kt.DataError, match="Received: 'maybe'"):
        kt.evaluate(model, (PIXELS, np.where(HALVES == 1, "maybe", "no")))


def test_evaluate_says_pixels_that_look_scaled_are_said(model):
    with pytest.warns(kt.DataWarning, match="from 0 to 1.*pixel_range"):
        kt.evaluate(model, (PIXELS / 255, HALVES))
    with pytest.warns(kt.DataWarning, match="65535"):
        kt.evaluate(model, (PIXELS.astype("uint16") * 257, HALVES))


@pytest.mark.parametrize("images", [PIXELS[..., 0], PIXELS.transpose(0, 3, 1, 2), PIXELS[:, :8]])
def test_evaluate_names_another_shape(model, images):
    with pytest.raises(kt.InputError, match=r"\('batch', 16, 16, 3\)\. Received: shape"):
        kt.evaluate(model, (images, HALVES))
