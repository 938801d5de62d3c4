"""One order of classes, whatever they are read from; a model knows its own."""

from __future__ import annotations

import unicodedata

import keras
import numpy as np
import pytest
from networks import part_named, toy_backbone

import keras_transfer as kt
from keras_transfer.plots.fonts import families_for
from keras_transfer.plots.matrices import plot_confusion

SAME = {"image_size": 32, "batch_size": 8}
TWELVE = tuple(map(str, range(1, 13)))


def folders(root, names, each=4):
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).mkdir(parents=True)
        for index in range(each):
            picture = rng.integers(0, 256, (32, 32, 3)).astype("uint8")
            keras.utils.save_img(root / name / f"{index}.png", picture, scale=False)
    return root


def test_folders_a_split_file_and_a_table_have_one_order(tmp_path):
    root = folders(tmp_path / "c", TWELVE)
    first = kt.data.from_directory(root, **SAME)
    kt.data.save_split(first, tmp_path / "split.csv")
    again = kt.data.from_dataframe(tmp_path / "split.csv", root=root, split_column="split", **SAME)
    arrays = kt.data.from_arrays(np.zeros((24, 8, 8, 3), "uint8"), np.array(TWELVE * 2))
    assert first.class_names == again.class_names == arrays.class_names == TWELVE
    for split, examples in first.splits.items():
        ours, theirs = (dict(zip(part.items, part.labels, strict=True)) for part in (examples, again.splits[split]))
        assert ours == theirs
    assert tuple(kt.data.check(root).counts["train"]) == TWELVE


def test_a_split_file_keeps_an_order_of_ones_own(tmp_path):
    root = folders(tmp_path / "c", ["a", "b", "c"])
    rows = [(f"{name}/{index}.png", name) for name in "abc" for index in range(4)]
    table = {"image": [path for path, _ in rows], "label": [name for _, name in rows]}
    own = kt.data.from_dataframe(table, root=root, class_names=["b", "c", "a"], **SAME)
    kt.data.save_split(own, tmp_path / "split.csv")
    again = kt.data.from_dataframe(tmp_path / "split.csv", root=root, split_column="split", **SAME)
    assert again.class_names == own.class_names == ("b", "c", "a")


def test_two_ways_to_write_a_name_are_one_class(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Caf\u00e9") for form in ("NFC", "NFD"))
    root = folders(tmp_path / "c", [composed, "b"])
    folders(tmp_path / "d", [decomposed])
    (tmp_path / "d" / decomposed).rename(root / decomposed)
    data = kt.data.from_directory(root, **SAME)
    assert data.class_names == (composed, "b") and sum(map(len, data.splits.values())) == 12
    table = {"image": [f"b/{index}.png" for index in range(4)], "label": ["dog", "dog ", "cat", " cat"]}
    assert kt.data.from_dataframe(table, root=root, validation_split=0.5, **SAME).class_names == ("cat", "dog")


def test_a_class_without_usable_pictures_is_said_by_loading_and_by_the_doctor(tmp_path):
    root = folders(tmp_path / "c", ["stop", "yield"])
    (root / "giveway").mkdir()
    (root / "giveway" / "0.xyz").write_bytes(b"P6")
    with pytest.warns(kt.DataWarning, match="giveway holds no image.*1 .xyz"):
        data = kt.data.from_directory(root, **SAME)
    assert data.class_names == ("stop", "yield")
    (found,) = [each for each in kt.data.check(root).findings if each.kind == "class without images"]
    assert found.severity == "serious" and found.paths == (root / "giveway",)


@pytest.fixture(scope="module")
def model(arrays):
    keras.utils.set_random_seed(0)
    built = kt.build_model(toy_backbone(), 3, image_size=32)
    kt.fine_tune(built, arrays, schedule="feature_extraction", epochs=3, learning_rate=3e-2, verbose=0)
    return built


def test_a_model_is_judged_by_names_in_whatever_order_they_come(model, arrays):
    turned = arrays.with_classes(["red", "blue", "green"])
    expected = kt.evaluate(model, arrays.validation)
    assert expected.class_names == model.class_names == arrays.class_names == ("blue", "green", "red")
    assert expected.metrics["accuracy"] == pytest.approx(model.evaluate(arrays.validation, verbose=0)[1])
    for report in (
        kt.evaluate(model, turned.validation),
        kt.evaluate(model, turned.validation.map(lambda *batch: batch), class_names=turned.class_names),
    ):
        assert report.to_dict() == expected.to_dict()
    with pytest.raises(kt.DataError, match="order of the model's outputs.*with_classes"):
        kt.fine_tune(model, turned, epochs=1, verbose=0)


def test_an_export_does_not_take_names_in_another_order(model, arrays, tmp_path):
    turned = arrays.with_classes(["red", "blue", "green"])
    with pytest.raises(kt.DataError, match="order of the model's outputs"):
        kt.export(model, tmp_path, data=turned)
    assert kt.load(kt.export(model, tmp_path, verify=False)).class_names == ("blue", "green", "red")


def test_a_test_set_may_lack_classes_but_have_no_others(model, arrays):
    part = arrays.validation.unbatch().filter(lambda image, label: label != 1).map(lambda i, y: (i, y // 2)).batch(8)
    report = kt.evaluate(model, part, class_names=["blue", "red"])
    assert report.class_names == ("blue", "green", "red") and report.per_class["green"]["support"] == 0
    assert report.images == 4
    with pytest.raises(kt.DataError, match=r"Received also: \['pink'\]"):
        kt.evaluate(model, part, class_names=["blue", "pink"])


def test_a_saved_model_knows_its_names_and_is_frozen_where_it_was(model, arrays, tmp_path):
    model.save(tmp_path / "model.keras")
    again = kt.load_model(tmp_path / "model.keras")
    assert [layer.trainable for layer in again.layers[1:]] == [layer.trainable for layer in model.layers[1:]]
    assert len(again.trainable_variables) == 2
    assert again.class_names == model.class_names and again.origin == model.origin
    assert kt.stages(again) == kt.stages(model)
    assert kt.evaluate(again, arrays.validation).to_dict() == kt.evaluate(model, arrays.validation).to_dict()
    again.save(tmp_path / "twice.keras")
    assert kt.load_model(tmp_path / "twice.keras").class_names == model.class_names


def test_what_is_no_saved_model_is_said(tmp_path, exported):
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for file, message in (
        (tmp_path / "no.keras", "not there"),
        (tmp_path / "old.h5", "weights=file"),
        (exported, "kt.load"),
    ):
        with pytest.raises(kt.InputError, match=message):
            kt.load_model(file)


def test_data_cannot_take_names_that_lack_its_own(arrays):
    with pytest.raises(kt.DataError, match="Received none of"):
        arrays.with_classes(["red", "blue"])


@pytest.mark.parametrize("name", ["toy", "MobileNetV2 up to block3", "ResNet50 up to conv2"])
def test_a_trained_model_is_the_backbone_of_another_task(name):
    part = part_named(name)
    first = kt.build_model(part, 3, weights=None, image_size=32)
    images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    second = kt.build_model(first, 5, image_size=32, pooling="max")
    assert kt.stages(second) == kt.stages(first) and second.output_shape == (None, 5)
    for stage in kt.stages(first):
        cuts = [keras.Model(model.inputs[0], model.get_layer(f"stage_{stage}").output) for model in (first, second)]
        ours, theirs = (cut(images) for cut in cuts)
        assert np.array_equal(ours, theirs), stage
    kept = first.get_weights()
    second.set_weights([weight + 1 for weight in second.get_weights()])
    assert all(map(np.array_equal, kept, first.get_weights())), "they share no weights"


CHINESE, GREEK = ["狗", "猫"], ["σκύλος", "γάτα"]


@pytest.mark.parametrize("names", [CHINESE, GREEK, ["कुत्ता", "बिल्ली"]])
def test_names_in_any_script_are_drawn_without_a_warning(names, tmp_path):
    """Warnings are errors here: matplotlib warns of a character that no font has."""
    data = kt.data.from_arrays(np.zeros((8, 16, 16, 3), "uint8"), np.array(names)[np.arange(8) % 2])
    data.show(4).savefig(tmp_path / "samples.png")
    figure = plot_confusion(np.eye(2, dtype=int), data.class_names)
    figure.savefig(tmp_path / "confusion.png")
    drawn = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    has_font = families_for(names) is not None
    assert drawn == (list(data.class_names) if has_font else ["0", "1"])
    assert ("class_names" in figure.axes[0].get_xlabel()) == (not has_font)
    assert has_font or names is not GREEK, "matplotlib's own font has Greek"


def test_a_font_that_is_installed_is_used(monkeypatch):
    from keras_transfer.plots import fonts

    known = {"DejaVu Sans": frozenset("abc"), "Noto Sans CJK": frozenset("狗"), "Other": frozenset("狗猫")}
    monkeypatch.setattr(fonts, "_letters_of", known.__getitem__)
    monkeypatch.setattr(fonts, "_families", lambda: ["Noto Sans CJK", "Other"])
    assert fonts.families_for(["ab"]) == ["DejaVu Sans"]
    assert fonts.families_for(["狗a"]) == ["DejaVu Sans", "Noto Sans CJK"]
    assert fonts.families_for(["狗猫"]) == ["DejaVu Sans", "Noto Sans CJK", "Other"]
    assert fonts.families_for(["鸟"]) is None
