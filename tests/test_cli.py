"""The shell: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import csv
import json
import platform
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import keras
import pytest
from conftest import toy_backbone, write_pictures
from networks import doubled
from recording import write_sounds
from typer.testing import CliRunner
from writing import write_reviews

import keras_transfer as kt
from keras_transfer.cli import app
from keras_transfer.cli.memory import keep_memory
from keras_transfer.demo import reviews

ALPHA = ["--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--weights", "none", "--image-size", "32"]


def run(*arguments: object, code: int = 0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, f"{result.output}\n{result.exception!r}"
    return result


@pytest.fixture(scope="module", params=["small", pytest.param("MobileNet", marks=pytest.mark.slow)])
def output(request, pictures, tmp_path_factory):
    """What training MobileNet leaves behind, or a small network under its name."""
    folder = tmp_path_factory.mktemp("run") / "colours"
    with doubled() if request.param == "small" else nullcontext():
        result = run("train", pictures, *ALPHA, "--epochs", 2, "--seed", 1, "--output", folder, "--json")
    (folder.parent / "stdout.txt").write_text(result.stdout)
    return folder


def test_train_leaves_a_served_version_and_a_record(output):
    expected = [
        "1",
        "confusion_matrix.png",
        "history.csv",
        "learning_curve.png",
        "model.keras",
        "report.json",
        "samples.png",
    ]
    assert sorted(path.name for path in output.iterdir()) == expected
    rows = list(csv.DictReader((output / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"] and "val_accuracy" in rows[0]
    assert kt.stages(keras.models.load_model(output / "model.keras"))[0] == "block1"
    assert json.loads((output / "report.json").read_text())["class_names"] == ["blue", "green", "red"]


def test_json_is_one_object_last_on_standard_output(output):
    lines = (output.parent / "stdout.txt").read_text().splitlines()
    answer = json.loads(lines[-1])
    assert len(lines) == 1 and answer["version"] == str(output / "1") and answer["epochs"] == 2
    assert 0 <= answer["metrics"]["accuracy"] <= 1


def test_predict_names_each_file(output, pictures):
    files = [pictures / "red" / "0.jpg", pictures / "blue" / "0.jpg"]
    result = run("predict", output, *files)
    assert len(result.stdout.splitlines()) == 2 and "0.jpg" in result.stdout
    answer = json.loads(run("predict", output, *files, "--json").stdout.splitlines()[-1])
    assert [item["file"] for item in answer["predictions"]] == [str(file) for file in files]


def test_predict_takes_folders_and_goes_on_past_what_cannot_be_read(output, pictures, tmp_path):
    shutil.copytree(pictures / "red", tmp_path / "new" / "today")
    (tmp_path / "new" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = run("predict", output, tmp_path / "new", "--json")
    answer = json.loads(result.stdout.splitlines()[-1])
    assert len(answer["predictions"]) == 10 and "broken.jpg" in result.stderr
    assert [Path(item["file"]).name for item in answer["left_out"]] == ["broken.jpg"]
    refused = run("predict", output, tmp_path / "new" / "broken.jpg", code=2)
    assert "Expected images that can be read" in refused.output


def test_evaluate_takes_a_folder_that_lacks_classes(output, pictures, tmp_path):
    for name in ("blue", "red"):
        shutil.copytree(pictures / name, tmp_path / "part" / name)
    part, whole = (
        json.loads(run("evaluate", output, folder, "--json").stdout.splitlines()[-1])
        for folder in (tmp_path / "part", pictures)
    )
    assert part["class_names"] == whole["class_names"] and part["per_class"]["green"]["support"] == 0
    for name in ("blue", "red"):
        assert part["per_class"][name]["recall"] == whole["per_class"][name]["recall"]
    shutil.copytree(pictures / "red", tmp_path / "part" / "pink")
    assert "Expected the model's classes" in run("evaluate", output, tmp_path / "part", code=2).output


def test_evaluate_answers_as_the_server_would(output, tmp_path):
    folder = write_pictures(tmp_path / "other", per_class=4)
    result = run("evaluate", output, folder, "--plot", tmp_path / "confusion.png")
    assert "balanced accuracy" in result.stdout and (tmp_path / "confusion.png").stat().st_size > 1000
    answer = json.loads(run("evaluate", output, folder, "--json").stdout.splitlines()[-1])
    assert sum(map(sum, answer["confusion"])) == 12


def test_backbones_lists_the_whole_table():
    answer = json.loads(run("backbones", "--json").stdout.splitlines()[-1])
    assert sorted(answer) == sorted(kt.available("backbone"))
    assert answer["Xception"]["min_image_size"] == 71
    assert "ResNet50" in run("backbones").stdout


def test_version_is_told():
    assert kt.__version__ in run("--version").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "no/such/folder", *ALPHA], "not a folder"),
        (["train", "PICTURES", *ALPHA, "--backbone", "MobilNet"], "Did you mean 'MobileNet'"),
        (["train", "PICTURES", *ALPHA, "--head", "liner"], "Did you mean 'linear'"),
        (["train", "PICTURES", *ALPHA, "--schedule", "gradul"], "Did you mean 'gradual'"),
        (["train", "PICTURES", *ALPHA, "--recipe", "fst"], "Did you mean 'fast'"),
        (["train", "PICTURES", *ALPHA, "--recipe", "fast", "--epochs", "3"], "Received: --epochs"),
        (["train", "PICTURES", *ALPHA, "--balance", "samplin"], "Did you mean 'sampling'"),
        (["train", "PICTURES", *ALPHA, "--augment", "lite"], "Did you mean 'light'"),
        (["train", "PICTURES", *ALPHA, "--resize", "croop"], "Did you mean 'crop'"),
        (["train", "PICTURES", *ALPHA, "--image-size", "16"], "32 pixels or more"),
        (["train", "PICTURES", *ALPHA, "--epochs", "0"], "above 0"),
        (["train", "PICTURES", *ALPHA, "--weights", "nowhere.h5"], "not a file"),
        (["train", "PICTURES", *ALPHA, "--backbone-option", "alpha"], "NAME=VALUE"),
        (["train", "PICTURES", *ALPHA, "--output", "/dev/null/x"], "a folder that can be written to"),
        (["evaluate", "PICTURES", "PICTURES"], "a version or a folder of versions"),
        (["evaluate", "PICTURES", "PICTURES", "--plot", "x.txt"], "Expected --plot FILE.png"),
        (["train", "PICTURES", *ALPHA, "--seed", "-1"], "greater than or equal to 0"),
        (["predict", "PICTURES", "x.jpg"], "a version or a folder of versions"),
        (["demo", "--data", "no/such/folder", "--backbone", "MobileNet", "--weights", "none"], "not a folder"),
        (["demo", "--output", "/dev/null/x"], "a folder that can be written to"),
    ],
)
def test_wrong_calls_are_a_sentence_and_exit_code_2(arguments, message, pictures):
    result = run(*(pictures if argument == "PICTURES" else argument for argument in arguments), code=2)
    assert message in " ".join(result.stderr.split()) and "Traceback" not in result.output


def test_one_class_is_told_before_anything_is_built(tmp_path):
    folder = write_pictures(tmp_path / "photos", classes=("red",))
    assert "images of 2 or more classes. Received: 1, ['red']" in run("train", folder, *ALPHA, code=2).stderr


def test_a_refused_call_leaves_nothing_behind(pictures, tmp_path):
    run("train", pictures, *ALPHA, "--head", "liner", "--output", tmp_path / "new" / "model", code=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_bad_files_are_noted_and_training_goes_on(doubles, tmp_path):
    folder = write_pictures(tmp_path / "photos", per_class=5)
    (folder / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = run("train", folder, *ALPHA, "--epochs", 1, "--output", tmp_path / "out")
    assert "broken.jpg" in result.stderr and "served version" in result.stdout


def test_help_answers_at_once():
    """Without the libraries whose import takes seconds."""
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "from keras_transfer.cli import main; sys.argv = ['keras-transfer', '--help']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "typer" in loaded and "Train a network" in done.stdout
    assert not loaded & {"tensorflow", "keras", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "pandas", "h5py"}


def test_the_cache_is_listed_and_cleared(tmp_path, monkeypatch, pictures):
    monkeypatch.setenv("KERAS_TRANSFER_CACHE", str(tmp_path / "cache"))
    data = kt.data.from_directory(pictures, image_size=32, batch_size=8)
    kt.CachedDataset(kt.build_model(toy_backbone(), 3, image_size=32), data, cache=kt.Cache("disk"), verbose=0)
    listed = CliRunner().invoke(app, ["cache", "list"])
    assert listed.exit_code == 0 and "classifier up to features, 24 images (train)" in listed.output
    found = json.loads(CliRunner().invoke(app, ["cache", "list", "--json"]).stdout.splitlines()[-1])
    assert len(found["entries"]) == 2 and sum(entry["bytes"] for entry in found["entries"]) > 30 * 16 * 4
    cleared = CliRunner().invoke(app, ["cache", "clear"])
    assert "deleted 2 entries" in cleared.output and list((tmp_path / "cache").iterdir()) == []
    assert "0.0 MB" in CliRunner().invoke(app, ["cache", "list", "--folder", str(tmp_path / "nowhere")]).output


def test_the_allocator_keeps_memory_unless_it_is_switched_off(monkeypatch):
    assert keep_memory() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setenv("KERAS_TRANSFER_MALLOC", "system")
    assert not keep_memory()


def test_choose_ranks_networks_and_draws_them(pictures, tmp_path, monkeypatch):
    build = kt.build_model
    monkeypatch.setattr(
        "keras_transfer.selection.candidates.build_model",
        lambda name, count, **options: build(name, count, **{**options, "weights": None}),
    )
    names = ["--candidate", "MobileNet", "--candidate", "Xception"]
    options = ["--image-size", 32, "--by", "solved_head", "--plot", tmp_path / "networks.png", "--json"]
    result = json.loads(run("choose", pictures, *names, *options).stdout.splitlines()[-1])
    assert result["best"] == "MobileNet" and "71 pixels" in result["left_out"]["Xception"]
    assert (tmp_path / "networks.png").stat().st_size > 5000
    assert "Did you mean" in run("choose", pictures, "--candidate", "MobilNet", code=2).output
    assert ".png" in run("choose", pictures, "--plot", tmp_path / "networks.pdf", code=2).output


@pytest.mark.slow
def test_search_exports_the_best_model_and_its_leaderboard(pictures, tmp_path, monkeypatch):
    search = kt.search

    def short(data, minutes, **options):
        small = {"small": kt.Candidate("MobileNet", None, backbone_options={"alpha": 0.25})}
        return search(data, minutes, **{**options, "candidates": small}, trials=1)

    monkeypatch.setattr("keras_transfer.search", short)
    options = ["--minutes", 5, "--image-size", 32, "--output", tmp_path / "out", "--resume-dir", tmp_path / "kept"]
    result = json.loads(run("search", pictures, *options, "--json").stdout.splitlines()[-1])
    assert result["best"]["plan"] == "recipe fast" and result["budget"] == 300
    assert {"1", "model.keras", "leaderboard.csv"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert (tmp_path / "kept" / "best_1.keras").exists()
    shown = run("search", pictures, *options).stdout  # which is over: its one trial is there
    assert "recipe fast" in shown and "served version" in shown


def test_train_and_check_recordings_and_texts(tmp_path):
    """The kind is recognised by the files; an option of another kind is refused."""
    sounds = write_sounds(tmp_path / "sounds", per_class=6, rate=8000, seconds=0.3)
    with doubled():
        run("train", sounds, *ALPHA, "--epochs", 1, "--output", tmp_path / "heard")
    assert kt.load(tmp_path / "heard").kind.name == "sound"
    checked = json.loads(run("check", sounds, "--json").stdout.splitlines()[-1])
    assert checked["found"] == 18
    for options, said in (
        (("--resize", "pad"), "--resize, which are for images"),
        (("--kind", "smell"), "--kind image, sound or text"),
    ):
        refused = CliRunner().invoke(app, [*map(str, ("train", sounds, *options, "--output", tmp_path / "no"))])
        assert refused.exit_code == 2 and said in " ".join(refused.output.split())
    write_reviews(tmp_path / "reviews.csv")
    refused = CliRunner().invoke(app, ["train", str(tmp_path / "reviews.csv"), "--output", str(tmp_path / "no")])
    assert refused.exit_code == 2 and "--backbone with an encoder of texts" in refused.output


def test_train_a_table_of_texts(tmp_path):
    write_reviews(tmp_path / "reviews.csv")
    run(
        "train",
        tmp_path / "reviews.csv",
        "--backbone",
        reviews.ENCODER,
        "--recipe",
        "fast",
        "--output",
        tmp_path / "read",
    )
    answer = run("predict", tmp_path / "read", "the film was good", "--json").stdout.splitlines()[-1]
    assert json.loads(answer)["predictions"][0]["class_name"] in ("good", "bad")
