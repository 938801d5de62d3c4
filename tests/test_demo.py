"""The demo's pictures, its weights and the script that made them."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

import keras
import numpy as np
import pytest
from drawing import write_pictures
from networks import double
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.cli import app
from keras_transfer.demo import birds, leaves, photographs, reviews, sentences
from keras_transfer.demo.pictures import LEAVES, draw_formula, draw_leaf, formula_classes


def test_the_same_seed_draws_the_same_pictures():
    for draw in (lambda rng: draw_leaf(LEAVES[0], rng), lambda rng: draw_formula(*formula_classes()[7], rng)):
        first, again, other = (draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert first.shape == (96, 96, 3) and first.dtype == np.uint8
        assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_shipped_weights_are_small_and_fit():
    assert leaves.WEIGHTS.stat().st_size < 2 * 1024 * 1024
    model = kt.build_model("MobileNet", 8, weights=leaves.WEIGHTS, image_size=96, backbone_options={"alpha": 0.25})
    assert model.get_layer("conv1").kernel.numpy().std() > 0


def test_the_test_pictures_are_the_same_for_every_seed_and_no_training_picture(tmp_path):
    few = {"train": 2, "val": 1, "test": 2}
    folders = []
    for seed in (0, 1):
        leaves.draw_leaves(tmp_path / str(seed), seed, few)
        files = sorted((tmp_path / str(seed)).rglob("*.png"))
        folders.append({str(file.relative_to(tmp_path / str(seed))): file.read_bytes() for file in files})
    same = {name for name in folders[0] if folders[0][name] == folders[1][name]}
    assert same == {name for name in folders[0] if name.startswith("test/")}
    for pictures in folders:
        assert len(set(pictures.values())) == len(pictures) == 8 * 5


def test_the_demo_never_replaces_a_folder_of_the_user(tmp_path):
    own = write_pictures(tmp_path / "leaves", per_class=2)
    with pytest.raises(kt.InputError, match="holds your own files"):
        leaves.draw_leaves(own, 0)
    assert len(list(own.rglob("*.jpg"))) == 6


def few_filters(*, alpha, include_top, weights, pooling, input_shape):
    """What pretraining needs of a network: in place of MobileNet, which takes ten times as long to trace."""
    images = keras.Input(input_shape)
    maps = keras.layers.Conv2D(round(32 * alpha), 3, strides=8, activation="relu")(images)
    return keras.Model(images, keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(maps)))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["small", pytest.param("MobileNet", marks=pytest.mark.slow)])
def test_pretraining_gives_the_same_weights_for_the_same_seed(network, tmp_path, monkeypatch):
    from keras_transfer.demo import pretrain

    if network == "small":
        monkeypatch.setattr("keras.applications.MobileNet", few_filters)
    few = formula_classes()[:4]
    monkeypatch.setattr(pretrain, "formula_classes", lambda: few)
    monkeypatch.setattr(pretrain, "ProcessPoolExecutor", _Serial)
    monkeypatch.setattr(pretrain, "BATCH", 8)
    monkeypatch.setattr("tensorflow.config.experimental.enable_op_determinism", lambda: None)  # for this test alone
    weights = []
    for attempt, seed in (("a", 3), ("b", 3), ("c", 4)):
        file = tmp_path / f"{attempt}.weights.h5"
        pretrain.pretrain(file, pictures_per_class=4, epochs=2, seed=seed)
        shape = {"input_shape": (96, 96, 3), "alpha": 0.25, "include_top": False, "pooling": "avg", "weights": None}
        again = keras.applications.MobileNet(**shape)
        again.load_weights(file)
        weights.append(again.get_weights())
    for first, second in zip(*weights[:2], strict=True):
        assert np.allclose(first, second, atol=1e-5)
    assert not np.allclose(weights[0][0], weights[2][0], atol=1e-5)


class _Serial:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def map(self, function, items, chunksize):
        return map(function, items)


@pytest.mark.slow  # `make demo` is the same in the shell
@pytest.mark.parametrize("size", ["small", "whole"])
def test_the_demo_walks_the_whole_road(size, tmp_path, monkeypatch):
    """Small: fewer test pictures, epochs and seeds, and a small network from scratch. Whole: what `make demo` shows."""
    if size == "small":
        monkeypatch.setattr(leaves, "SEEDS", (0,))
        monkeypatch.setattr(leaves, "SCRATCH_RATES", (1e-2,))
        monkeypatch.setattr(leaves, "SCRATCH_EPOCHS", 2)
        monkeypatch.setitem(leaves.LABELS_PER_CLASS, "test", 10)
        model = leaves._model
        scratch = partial(kt.build_model, double("MobileNet"), image_size=leaves.IMAGE_SIZE)
        monkeypatch.setattr(
            leaves, "_model", lambda count, weights: model(count, weights) if weights else scratch(count)
        )
    result = CliRunner().invoke(app, ["demo", "--output", str(tmp_path / "demo"), "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert size == "small" or answer["accuracy"]["transfer"] > answer["accuracy"]["from scratch"] + 0.1
    assert answer["accuracy"]["transfer"] >= 0.6 > answer["accuracy"]["raw pixels"] + 0.1
    for name in ("samples.png", "learning_curve.png", "confusion_matrix.png", "model.keras", "1"):
        assert (tmp_path / "demo" / name).exists()
    leaf = tmp_path / "demo" / "leaves" / "test" / "maple" / "maple00.png"
    assert kt.load(answer["version"]).predict([leaf])[0].class_name in {leaf.name for leaf in LEAVES}


@pytest.mark.slow
def test_the_demo_runs_on_own_photographs(doubles, tmp_path):
    photos = write_pictures(tmp_path / "photos", per_class=5)
    arguments = ["demo", "--data", photos, "--backbone", "MobileNet", "--backbone-option", "alpha=0.25"]
    arguments += ["--weights", "none", "--output", tmp_path / "out"]
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    assert kt.load(tmp_path / "out").class_names == ("blue", "green", "red")


def test_real_photographs_without_a_network_are_a_sentence(monkeypatch, tmp_path):
    def no_network(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("tensorflow_datasets.builder", no_network)
    with pytest.raises(kt.InputError, match="cannot be downloaded"):
        photographs.run_on_photographs(None, "MobileNet", "none", {"alpha": 0.25}, tmp_path)


@pytest.mark.slow
def test_the_demo_of_sounds_walks_the_whole_road(tmp_path, monkeypatch):
    monkeypatch.setattr(birds, "SEEDS", (0,))
    monkeypatch.setattr(birds, "EPOCHS", 2)
    monkeypatch.setattr(birds, "SCRATCH_RATES", (3e-3,))
    monkeypatch.setitem(birds.CALLS_OF_EACH, "test", 2)
    result = CliRunner().invoke(app, ["demo", "--kind", "sound", "--output", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    assert set(answer["accuracy"]) == {"raw pictures", "from scratch", "transfer"}
    assert kt.load(answer["version"]).kind.name == "sound" and (tmp_path / "samples.png").is_file()


def test_the_demo_of_texts_walks_the_whole_road(tmp_path, monkeypatch):
    monkeypatch.setattr(reviews, "SEEDS", (0,))
    result = CliRunner().invoke(app, ["demo", "--kind", "text", "--output", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout.splitlines()[-1])
    accuracy = answer["accuracy"]
    assert accuracy["transfer"] > 0.85 > accuracy["bag of words"] and accuracy["transfer"] > accuracy["random"] + 0.1
    assert kt.load(answer["version"]).predict(["the soup was good for the price"])[0].class_name == "money"


def test_songs_and_sentences_are_the_same_for_a_seed(tmp_path):
    sung = [birds.sing(birds.CALLS[0], np.random.default_rng(seed), 16_000, 0.5) for seed in (0, 0, 1)]
    assert np.array_equal(*sung[:2]) and not np.array_equal(*sung[1:]) and np.abs(sung[0]).max() <= 1
    assert sentences.bills(20, 3) == sentences.bills(20, 3) != sentences.bills(20, 4)
    known = set(sentences.vocabulary())
    for text in (*sentences.paragraphs(50), *sentences.reviews(20, 0)[0], *sentences.bills(20, 0)[0]):
        assert set(text.split()) <= known
    assert sum(file.stat().st_size for file in reviews.ENCODER.rglob("*")) < 2 * 1024 * 1024


@pytest.mark.slow
def test_pretraining_of_the_encoder_gives_the_same_weights_for_the_same_seed(tmp_path):
    import keras_hub

    found = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):  # a process each: its operations are deterministic for good
        script = [sys.executable, "-m", "keras_transfer.demo.pretrain_texts", str(tmp_path / name)]
        subprocess.run([*script, "--texts", "300", "--epochs", "1", "--seed", str(seed)], check=True)
        found.append(keras_hub.models.Backbone.from_preset(str(tmp_path / name)).get_weights())
    assert all(np.array_equal(one, other) for one, other in zip(*found[:2], strict=True))
    assert not np.allclose(found[0][0], found[2][0], atol=1e-5)
