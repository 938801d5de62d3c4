"""Values to estimate: read with their units, split by size, trained, judged, exported and described."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from conftest import mostly_slow
from networks import toy_backbone
from PIL import Image

import keras_transfer as kt
from keras_transfer.insight.evaluation import report_on
from keras_transfer.tasks import TASKS

RNG = np.random.default_rng(0)
COUNT = 60
AGES = RNG.gamma(2, 20, COUNT)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    root = tmp_path_factory.mktemp("faces")
    for index, age in enumerate(AGES):
        Image.fromarray(np.full((32, 32, 3), min(255, int(2 * age)), "uint8")).save(root / f"{index}.png")
    rows = [f"{index}.png,{age:.2f},{index % 7}" for index, age in enumerate(AGES)]
    (root / "list.csv").write_text("image,age,teeth\n" + "\n".join(rows) + "\n")
    return root / "list.csv"


def read(table, **options):
    return kt.data.from_dataframe(table, image_size=32, **options)


def test_values_are_split_by_their_size(table):
    data = read(table, label_column="age")
    train, validation = (data.splits[split].labels[:, 0] for split in ("train", "validation"))
    assert len(validation) == 12
    for low, high in zip(np.quantile(AGES, [0, 0.25, 0.5, 0.75]), np.quantile(AGES, [0.25, 0.5, 0.75, 1]), strict=True):
        assert 2 <= ((validation >= low - 0.01) & (validation <= high + 0.01)).sum() <= 5, "of each quarter about 3"
    assert len(train) + len(validation) == COUNT
    folds = kt.data.folds(data, 3)
    assert all(abs(np.median(fold.splits["validation"].labels) - np.median(AGES)) < 12 for fold in folds)


def test_groups_come_before_strata(table):
    data = read(table, label_column="age", group_column="teeth")
    groups = [set(examples.groups) for examples in data.splits.values()]
    assert not groups[0] & groups[1]
    assert len(kt.data.folds(data, 3)) == 3


@pytest.mark.parametrize("units", [{"age": "years"}, ["years", ""], ("years", "")])
def test_several_values_have_units(table, units):
    data = read(table, label_column=["age", "teeth"], task="regression", units=units)
    assert data.class_names == ("age [years]", "teeth")
    assert data.splits["train"].labels.shape[1] == 2


@pytest.mark.parametrize("units", [{"size": "m"}, ["a", "b", "c"], "years"])
def test_units_of_other_values_are_refused(table, units):
    with pytest.raises(kt.InputError, match="`units` for the values"):
        read(table, label_column="age", units=units)
    with pytest.raises(kt.InputError, match="no `units`"):
        read(table, label_column="teeth", units=units)
    with pytest.raises(kt.InputError, match="no `units`"):
        kt.data.from_arrays(np.zeros((8, 32, 32, 3), "uint8"), np.arange(8) % 2, units=units)


def test_the_report_has_the_right_numbers():
    values = np.array([[1.0, 10], [2, 20], [4, 60]])
    estimates = np.array([[1.5, 10], [2, 30], [3, 40]])
    report = report_on(estimates, values, ("age [years]", "height"), TASKS.find("regression"))
    assert isinstance(report, kt.ValuesReport) and report.images == 3
    assert report.per_class["age [years]"] == pytest.approx(
        {"mae": 0.5, "rmse": np.sqrt(1.25 / 3), "r2": 1 - 1.25 / (14 / 3), "support": 3}
    )
    assert report.metrics["mae"] == pytest.approx((0.5 + 10) / 2)
    assert report.metrics["rmse"] == pytest.approx(np.sqrt((1.25 + 500) / 6))
    assert report.metrics["loss"] == pytest.approx((1.25 + 500) / 6)
    second = 1 - 500 / 1400
    assert report.metrics["r2"] == pytest.approx((1 - 1.25 / (14 / 3) + second) / 2)
    assert "age [years]" in str(report) and "rmse" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["estimates"] == estimates.tolist()
    assert [axes.get_title() for axes in report.plot().axes] == ["age [years]", "height"]
    one = report_on(estimates[:1], values[:1], None, TASKS.find("regression"))
    assert one.to_dict()["metrics"]["r2"] is None
    with pytest.raises(kt.DataError, match="softmax or sigmoid"):
        report_on(estimates, np.array([0, 1, 2]), None, TASKS.find("regression"))


@pytest.mark.slow
def test_from_a_table_to_an_export_that_speaks_of_years(table, tmp_path):
    keras.utils.set_random_seed(0)
    data = read(table, label_column="age", units=["years"])
    model = kt.build_model(toy_backbone(), 1, activation="linear")
    kt.fine_tune(model, data, schedule=(kt.Phase(8, "head", 0.3),), verbose=0)
    report = kt.evaluate(model, data.validation)
    own = model.evaluate(data.validation, return_dict=True, verbose=0)
    assert report.metrics["mae"] == pytest.approx(own["mean_absolute_error"], rel=1e-4)
    assert report.metrics["loss"] == pytest.approx(own["loss"], rel=1e-4)
    assert report.class_names == ("age [years]",)
    assert np.isfinite(kt.evaluate(model, data.validation.unbatch()).metrics["rmse"]), "labels (batch,) too"
    version = kt.export(model, tmp_path, data=data, report=report)
    page = (version / "model_card.md").read_text()
    assert "| values | 1: age [years] |" in page and "| value | mae | rmse | r2 | support |" in page
    assert "of the validation split" in page and "Wilson" not in page
    answered = kt.load(version).predict([table.parent / "0.png"])[0]
    assert str(answered).startswith("age [years] ")
    again = kt.load_model(_saved(model, tmp_path))
    assert kt.evaluate(again, data.validation).class_names == ("age [years]",)


def _saved(model, folder):
    model.save(folder / "m.keras")
    return folder / "m.keras"


UNKNOWN = np.array([[1, 0, -1], [0, -1, 1], [1, 1, 0], [-1, 0, 1]] * 8)


def masked_model():
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), 3, activation="sigmoid")


def pictures():
    return RNG.integers(0, 256, (len(UNKNOWN), 32, 32, 3)).astype("uint8")


@pytest.mark.parametrize(
    "labels",
    mostly_slow([UNKNOWN, np.where(UNKNOWN < 0, np.nan, UNKNOWN), UNKNOWN.astype("float32")], fast=2),
    ids=["whole", "not a number", "floats"],
)
def test_labels_that_are_not_known_do_not_count(labels, tmp_path):
    images = pictures()
    data = kt.data.from_arrays(images, labels, task="several_labels", class_names=list("abc"))
    assert data.counts["train"]["a"] + data.counts["validation"]["a"] == 16
    model = masked_model()
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=1, verbose=0, cache=False, metrics=["accuracy"])
    everything = np.concatenate([labels for _, labels in data.validation])
    outputs = model.predict(data.validation, verbose=0)
    known = everything >= 0
    each = -np.where(everything == 1, np.log(outputs), np.log(1 - outputs))
    expected = np.mean([row[of_row].mean() for row, of_row in zip(each, known, strict=True)])
    right = ((outputs > 0.5) == (everything == 1))[known].mean()
    found = model.evaluate(data.validation, return_dict=True, verbose=0)
    assert found["loss"] == pytest.approx(expected, rel=1e-4) and found["accuracy"] == pytest.approx(right)
    report = kt.evaluate(model, data.validation)
    assert report.metrics["accuracy"] == pytest.approx(right)
    assert report.metrics["loss"] == pytest.approx(each[known].mean(), rel=1e-4)
    assert report.confusion.sum() == known.sum()
    again = keras.models.load_model(_saved(model, tmp_path))
    assert again.loss == "binary_crossentropy" and np.array_equal(again.predict(images, verbose=0).shape, (32, 3))
    model.compile("sgd", "mse")
    model.save(tmp_path / "other.keras")
    assert keras.models.load_model(tmp_path / "other.keras").loss == "mse", "compiled anew, it is saved so"


def test_unknown_labels_move_no_weight():
    """Weights of a label that is unknown on all training images stay; the loss may be any that Keras has."""
    labels = UNKNOWN.copy()
    data = kt.data.from_arrays(pictures(), labels, task="several_labels")
    data.splits["train"].labels[:, 1] = -1
    model = masked_model()
    before = model.layers[-2].get_weights()
    kt.fine_tune(
        model,
        data,
        schedule="feature_extraction",
        epochs=1,
        verbose=0,
        loss=keras.losses.BinaryFocalCrossentropy(),
        metrics=[keras.metrics.AUC(), "precision"],
    )
    for new, old in zip(model.layers[-2].get_weights(), before, strict=True):
        change = np.abs(new - old).max(axis=tuple(range(new.ndim - 1)))
        assert change[1] == 0 and change[[0, 2]].min() > 0


def test_metrics_that_average_over_labels_are_refused():
    data = kt.data.from_arrays(pictures(), UNKNOWN, task="several_labels")
    with pytest.raises(kt.InputError, match="averages over labels"):
        kt.fine_tune(masked_model(), data, verbose=0, metrics=["f1"])


def test_a_table_with_blanks(tmp_path):
    for index in range(8):
        Image.fromarray(np.full((32, 32, 3), 30 * index, "uint8")).save(tmp_path / f"{index}.png")
    cells = ["1,0", "1,-1", ",1", "-1.0,1.0", "yes,no", "1,0", "0,1", ","]
    text = "image,fracture,edema\n" + "".join(f"{index}.png,{cell}\n" for index, cell in enumerate(cells))
    (tmp_path / "chexpert.csv").write_text(text)
    with pytest.warns(kt.DataWarning, match="7.png: has no label"):
        data = kt.data.from_dataframe(
            tmp_path / "chexpert.csv", label_column=["fracture", "edema"], image_size=32, validation_split=0.3
        )
    found = {
        item[-5]: labels.tolist()
        for examples in data.splits.values()
        for item, labels in zip(examples.items, examples.labels, strict=True)
    }
    assert found == {"0": [1, 0], "1": [1, -1], "2": [-1, 1], "3": [-1, 1], "4": [1, 0], "5": [1, 0], "6": [0, 1]}
