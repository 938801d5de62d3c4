"""adaptation_report, signs of negative transfer, and the shell's adapt."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from conftest import toy_backbone, write_pictures
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.adaptation.signs import signs_of_negative_transfer
from keras_transfer.cli import app

SMALL = ["--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--weights", "none", "--image-size", "32"]


def test_a_class_that_vanishes_is_named_with_its_numbers():
    shares, names = np.array([0.4, 0.3, 0.3]), ["cat", "dog", "emu"]
    predicted = np.array([0] * 20 + [1] * 20)
    (sign,) = signs_of_negative_transfer(predicted, shares, names, before=np.array([2] * 12 + [0] * 28))
    assert (
        sign
        == "'emu' has vanished: predicted for 0 of 40 target images, 12 before adaptation, although 30% of the source "
        "labels are this class"
    )
    assert signs_of_negative_transfer(np.array([0, 1, 2] * 10), shares, names) == []
    assert signs_of_negative_transfer(np.array([0, 1] * 4), shares, names) == [], "too few images to tell"


def test_shares_that_differ_strongly_are_a_sign():
    predicted = np.array([0] * 35 + [1] * 5)
    (sign,) = signs_of_negative_transfer(predicted, np.array([0.5, 0.5]), ["cat", "dog"])
    assert "38% of the target images would have to change" in sign and "'cat' is predicted for 88%" in sign


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


@pytest.fixture(scope="module")
def models(data):
    keras.utils.set_random_seed(0)
    before = kt.build_model(toy_backbone(), 3, image_size=32, head="mlp")
    after = keras.models.clone_model(before)
    after.set_weights(before.get_weights())
    kt.fine_tune(after, data, schedule="feature_extraction", epochs=2, learning_rate=1e-1, verbose=0)
    return before, after


@pytest.mark.filterwarnings("ignore:Adaptation may have done harm")
def test_the_report_shows_both_models_side_by_side(models, data, tmp_path):
    before, after = models
    target = kt.data.from_directory(write_pictures(tmp_path / "darker", per_class=8), image_size=32, batch_size=8)
    report = kt.adaptation_report(after, data, target, before=before)
    found = json.loads(json.dumps(report.to_dict()))
    assert list(report.distance) == ["before", "after"] and all(0 <= value <= 2 for value in report.distance.values())
    assert not np.array_equal(report.shifts["before"].first, report.shifts["after"].first)
    assert report.shifts["after"].first.shape == (24, 256), "the hidden vector, which is what was trained"
    assert sum(report.source_shares.values()) == pytest.approx(1) == sum(found["target_shares"]["after"].values())
    expected = kt.evaluate(after, target.validation, class_names=data.class_names).metrics["accuracy"]
    assert report.accuracy["after"].metrics["accuracy"] == pytest.approx(expected)
    assert "proxy A-distance" in str(report) and "recall of class" in str(report)
    assert [len(report.plot(method).axes) for method in ("pca", "tsne")] == [2, 2]
    with pytest.raises(kt.InputError, match="Did you mean 'tsne'"):
        report.plot("tsnee")


def test_a_report_without_labels_has_no_accuracy_and_warns_of_a_class_that_vanished(models, data):
    _, after = models
    dark = kt.data.unlabelled(np.random.default_rng(0).integers(0, 9, (90, 32, 32, 3)).astype("uint8"), batch_size=8)
    with pytest.warns(kt.DataWarning, match="negative transfer.*(has vanished: predicted for 0 of 18|differ strongly)"):
        report = kt.adaptation_report(after, data, dark)
    assert report.accuracy == {} and report.signs and "sign of negative transfer" in str(report)
    assert "recall" not in str(report)


def test_a_target_or_model_that_does_not_fit_is_refused(models, data, pictures, tmp_path):
    _, after = models
    images, labels = np.zeros((24, 32, 32, 3), "uint8"), np.arange(24) % 3
    turned = kt.data.from_arrays(images, labels, class_names=["red", "green", "blue"], batch_size=8)
    large = kt.data.unlabelled(np.zeros((20, 48, 48, 3), "uint8"), batch_size=8)
    other = kt.build_model(toy_backbone(), 2, image_size=32)
    with pytest.raises(kt.InputError, match="with the classes of the source"):
        kt.adaptation_report(after, data, turned)
    with pytest.raises(kt.InputError, match="images of the model's size"):
        kt.adaptation_report(after, data, large)
    with pytest.raises(kt.InputError, match="model with 3 outputs"):
        kt.adaptation_report(after, data, kt.data.unlabelled(images, batch_size=8), before=other)
    folder = write_pictures(tmp_path / "later", per_class=8)
    gone = kt.data.unlabelled(folder, image_size=32, batch_size=8)
    for path in folder.rglob("*.jpg"):
        path.write_bytes(b"no picture")
    with pytest.raises(kt.InputError, match="that changed"):
        kt.adaptation_report(after, data, gone)


@pytest.mark.slow
def test_the_shell_adapts_and_leaves_a_served_version(doubles, tmp_path, pictures):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in write_pictures(tmp_path / "target", per_class=6).rglob("*.jpg"):
        path.rename(flat / f"{path.parent.name}{path.name}")
    output = tmp_path / "adapted"
    arguments = ["adapt", pictures, flat, *SMALL, "--method", "mcc:0.5", "--epochs", 1]
    arguments += ["--schedule", "feature_extraction", "--batch-size", 8, "--output", output, "--json"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    answer = json.loads(result.stdout.splitlines()[-1])
    assert set(answer["scores"]) == {"mcc x0.5"} == {answer["chosen"]}
    assert answer["adaptation"]["accuracy"] == {} and answer["version"] == str(output / "1")
    assert {"1", "adaptation.json", "adaptation.png", "model.keras"} <= {path.name for path in output.iterdir()}
    served = kt.load(output)
    assert served.class_names == ("blue", "green", "red") and served.predict([flat / "red0.jpg"])[0].class_name


def test_the_shell_looks_at_the_target_before_it_makes_a_model(pictures, tmp_path, monkeypatch):
    """A network may have to be downloaded first, and thousands of files of the source decoded."""
    monkeypatch.setattr("keras_transfer.build_model", lambda *args, **options: pytest.fail("a model was made"))
    (tmp_path / "empty").mkdir()
    other = write_pictures(tmp_path / "other", per_class=5, classes=("red", "blue"))
    cases = ((tmp_path / "missing", "not a folder"), (tmp_path / "empty", "none"), (other, "the classes of the source"))
    ignored = [(target, message, "--ignore-target-labels") for target, message in cases[:2]]
    for target, message, *more in (*cases, *ignored):
        command = ["adapt", str(pictures), str(target), *SMALL, "--output", str(tmp_path / "out"), *more]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2 and message in " ".join(result.stderr.split()), result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["PICTURES", "no/such/folder"], "not a folder"),
        (["PICTURES", "PICTURES"], "a target of 30 images, all of which are in the source"),
        (["PICTURES", "OTHER"], "with the classes of the source"),
        (["PICTURES", "OTHER", "--method", "mccc"], "Did you mean 'mcc'"),
        (["PICTURES", "OTHER", "--method", "mcc:much"], "Expected --method NAME or NAME:WEIGHT"),
        (["PICTURES", "OTHER", "--method", "mcc:-1"], "0 or more"),
        (["PICTURES", "OTHER", "--validator", "entropi"], "Did you mean 'entropy'"),
    ],
)
def test_wrong_calls_are_a_sentence_and_exit_code_2(arguments, message, pictures, tmp_path):
    other = write_pictures(tmp_path / "other", per_class=5, classes=("red", "blue"))
    places = {"PICTURES": pictures, "OTHER": other}
    command = ["adapt", *(str(places.get(argument, argument)) for argument in arguments), *SMALL]
    result = CliRunner().invoke(app, [*command, "--output", str(tmp_path / "out")])
    assert result.exit_code == 2 and message in " ".join(result.stderr.split()), result.output
    assert not (tmp_path / "out").exists()
