"""Real weights on real photographs, where they lie beside the project."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.cli import app
from keras_transfer.data.pixels.images import load_image

pytestmark = pytest.mark.real
ANT = 310  # its number in ImageNet


def some_of(folder: Path, copy: Path, each: int) -> Path:
    """Links to the first pictures of each class and split, and to the one that is no photograph."""
    for part in (f"{split}/{name}" for split in ("train", "val") for name in ("ants", "bees")):
        (copy / part).mkdir(parents=True)
        for path in [*sorted((folder / part).glob("*.jpg"))[:each], *(folder / part).glob("*.gif")]:
            (copy / part / path.name).symlink_to(path)
    return copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("each", "epochs", "alpha", "least"),
    [(24, 12, 0.25, 0.85), (None, 4, 0.75, 0.9)],
)
@pytest.mark.filterwarnings("ignore:train/ants/imageNotFound.gif:UserWarning")
def test_a_pretrained_network_learns_ants_and_bees_from_the_shell(
    each, epochs, alpha, least, real_weights, real_data, tmp_path
):
    """From 24 photographs of each with a narrow network, and from all."""
    photographs = some_of(real_data / "hymenoptera", tmp_path / "photographs", each)
    weights = real_weights / f"mobilenet_{alpha}_224_notop.weights.h5"
    arguments = ["train", photographs, "--backbone", "MobileNet", "--backbone-option", f"alpha={alpha}"]
    arguments += [
        "--weights",
        weights,
        "--schedule",
        "feature_extraction",
        "--epochs",
        epochs,
        "--output",
        tmp_path,
        "--json",
    ]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "imageNotFound.gif" in result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["metrics"]["accuracy"] >= least

    data = kt.data.from_directory(photographs)
    model = keras.models.load_model(tmp_path / "model.keras")
    module = tf.saved_model.load(str(tmp_path / "1"))
    files = data.splits["validation"].items[:64].tolist()
    encoded = tf.stack([tf.io.read_file(file) for file in files])
    served = module.signatures["serving_default"](image_bytes=encoded)["probabilities"]
    in_memory = np.concatenate([model(images) for images, _ in data.validation.take(2)])
    assert np.abs(served - in_memory).max() <= 1e-5


def test_imagenet_classes_are_recognised(real_weights, real_data):
    """A wrong preprocessing would show: with ImageNet's own classifier on top, ants are ants."""
    whole = keras.applications.MobileNet(alpha=0.25, weights=real_weights / "mobilenet_0.25_224.weights.h5")
    model = kt.build_model(
        "MobileNet",
        1000,
        weights=real_weights / "mobilenet_0.25_224_notop.weights.h5",
        backbone_options={"alpha": 0.25},
    )
    kernel, bias = whole.get_layer("conv_preds").get_weights()
    model.get_layer("logits").set_weights([kernel[0, 0], bias])
    files = sorted((real_data / "hymenoptera" / "val" / "ants").glob("*.jpg"))[:32]
    images = np.stack([load_image(tf.io.read_file(str(file)), (224, 224), "crop") for file in files])
    expected = whole(keras.applications.mobilenet.preprocess_input(images.copy()))
    assert np.abs(model(images) - expected).max() <= 1e-5
    best = np.argsort(model(images), axis=1)[:, -5:]
    assert (best == ANT).any(axis=1).mean() >= 0.6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:train/ants/imageNotFound.gif:UserWarning")
@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        ("MobileNet", "mobilenet_0.75_224_notop.weights.h5", {"alpha": 0.75}),
        ("MobileNetV2", "mobilenetv2_1.0_224_notop.weights.h5", {}),
    ],
)
def test_an_export_answers_what_the_model_answers_on_every_photograph(
    name, file, options, real_weights, real_data, tmp_path
):
    data = kt.data.from_directory(real_data / "hymenoptera", image_size=224)
    model = kt.build_model(name, 2, weights=real_weights / file, image_size=224, backbone_options=options)
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=2, verbose=0)
    version = kt.export(model, tmp_path, data=data)
    found = kt.verify(version, data=data, model=model, images=len(data.splits["validation"]))
    assert found.passed and found.tolerance == 1e-5 and found.images == 9 + len(data.splits["validation"])
