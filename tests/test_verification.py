"""Verification: what is published answers like the model in memory, and what does not is not published."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow, toy_backbone
from networks import computing_in

import keras_transfer as kt
from keras_transfer.data.kinds import Images
from keras_transfer.data.pixels.images import load_pixels
from keras_transfer.serving.proof.evidence import gather, weights_hash
from keras_transfer.serving.signatures import signatures
from keras_transfer.serving.specimens import specimens


@pytest.fixture(scope="module")
def root(exported):
    """A folder with one version that was verified when it was exported."""
    return exported.parent


def restless(kind: str) -> keras.Model:
    """A model that answers something else each time, as some layers of users do."""
    images = keras.Input((16, 16, 3))
    means = keras.layers.GlobalAveragePooling2D(name="features")(keras.layers.Rescaling(1 / 255)(images))
    if kind == "random":
        means = keras.layers.Lambda(lambda x: x + tf.random.uniform(tf.shape(x)))(means)
    else:
        means = keras.layers.Lambda(lambda x: x / 0 * 0)(means)
    return keras.Model(images, keras.layers.Dense(3, activation="softmax")(means))


def test_the_result_lies_in_the_version(root, trained, data):
    result = json.loads((root / "1" / "verification.json").read_text())
    assert result["passed"] and result["tolerance"] == 1e-5
    assert result["images"] == len(specimens(Images((32, 32)))) + min(16, len(data.splits["validation"]))
    assert result["largest_difference"] <= 1e-5 and result["mean_difference"] <= result["largest_difference"]
    assert result["weights"] == weights_hash(trained[0])
    assert set(result["versions"]) == {"keras_transfer", "keras", "tensorflow"}
    checked = {name.partition("/")[0] for name in result["differences"]}
    assert checked == set(tf.saved_model.load(str(root / "1")).signatures), "every signature"


def test_specimens_are_of_every_format_and_decode_in_training_and_serving_alike():
    from keras_transfer.data.formats.naming import image_format

    drawn = specimens(Images((32, 32)))
    assert {image_format(picture[:16]) for picture in drawn} == {"JPEG", "PNG", "GIF", "BMP", "WebP"}
    pixels = gather(drawn, Images((32, 32)), None).pixels
    for picture, seen in zip(drawn, pixels, strict=True):
        np.testing.assert_array_equal(load_pixels(picture, (32, 32), "crop"), seen)
        assert seen.std() > 5


@pytest.mark.parametrize(("kind", "said"), mostly_slow([("random", "0\\.|e-0"), ("not a number", "not a number")]))
def test_a_model_that_answers_otherwise_in_the_server_is_not_published(kind, said, tmp_path):
    with pytest.raises(kt.InputError, match="like the model in memory, within 1e-05") as error:
        kt.export(restless(kind), tmp_path / "models")
    assert "serving_default" in str(error.value) or "predict_images" in str(error.value)
    assert "Nothing was published" in str(error.value)
    assert list((tmp_path / "models").iterdir()) == []
    if kind == "random":
        assert "drawn picture" in str(error.value), "the worst cases are named"
        assert kt.export(restless(kind), tmp_path / "models", verify=False).name == "1"


def test_wrong_pixels_are_found(trained, data, tmp_path, monkeypatch):
    """As if serving resized in another way than training: the classic difference."""
    monkeypatch.setattr(
        "keras_transfer.serving.exporting.signatures",
        lambda model, description, top_k: signatures(
            model, replace(description, kind=Images((32, 32), "stretch")), top_k
        ),
    )
    with pytest.raises(kt.InputError, match="decode_images images"):
        kt.export(trained[0], tmp_path, data=data)


@pytest.mark.slow
def test_it_can_be_repeated_and_with_ones_own_pictures(root, trained, data, pictures):
    drawn = len(specimens(Images((32, 32))))
    more = kt.verify(root, data=pictures, model=trained[0], images=10)
    assert more.passed and more.images == drawn + 10
    assert {found.output for found in more.differences} >= {"features", "heat_maps", "probabilities", "images"}
    assert "passed: 19 pictures, tolerance 1e-05" in str(more)
    alone = kt.verify(root, data=data, images=3)
    assert alone.passed and alone.images == drawn + 3


def test_weights_of_another_model_are_found(root, tmp_path):
    """A version whose files were exchanged answers for other pictures than it was verified with."""
    keras.utils.set_random_seed(1)
    other = kt.build_model(toy_backbone(), 3, image_size=32, head="mlp")
    other.get_layer("logits").set_weights([np.full((256, 3), 0.1) * [1, 2, 3], np.arange(3.0)])
    strange = kt.export(other, tmp_path / "other", class_names=["blue", "green", "red"], verify=False)
    damaged = tmp_path / "damaged" / "1"
    shutil.copytree(root / "1", damaged)
    for name in ("saved_model.pb", "variables"):
        shutil.rmtree(damaged / name) if (damaged / name).is_dir() else (damaged / name).unlink()
        (shutil.copytree if (strange / name).is_dir() else shutil.copy)(strange / name, damaged / name)
    found = kt.verify(damaged)
    assert not found.passed and "FAILED" in str(found) and "above the tolerance" in str(found)
    with pytest.raises(kt.InputError, match="one with other weights"):
        kt.verify(root, model=other)


def test_a_damaged_savedmodel_is_one_sentence(root, tmp_path):
    shutil.copytree(root / "1", tmp_path / "1")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"nothing")
    with pytest.raises(kt.InputError, match="cannot be run in a separate process"):
        kt.verify(tmp_path)
    (tmp_path / "1" / "verification.npz").unlink()
    with pytest.raises(kt.InputError, match=r"verification\.npz is missing or damaged"):
        kt.verify(tmp_path)


def test_the_model_beside_the_versions_is_used_if_it_is_the_same(root, trained, pictures, tmp_path):
    shutil.copytree(root / "1", tmp_path / "1")
    trained[0].save(tmp_path / "model.keras")
    assert weights_hash(keras.models.load_model(tmp_path / "model.keras")) == weights_hash(trained[0])
    assert kt.verify(tmp_path, data=pictures, images=4).passed


def test_wrong_questions_are_refused(root, tmp_path):
    with pytest.raises(kt.InputError, match="a version or a folder of versions"):
        kt.verify(tmp_path)
    with pytest.raises(kt.InputError, match="a folder with pictures that can be decoded"):
        kt.verify(root, data=tmp_path)
    with pytest.raises(kt.InputError, match="`tolerance` to be a number above 0"):
        kt.verify(root, tolerance=0)
    with pytest.raises(kt.InputError, match="a model saved by Keras"):
        kt.verify(root, model=tmp_path / "missing.keras")


def test_what_was_trained_in_half_precision_is_verified_as_closely(tmp_path):
    with computing_in("mixed_bfloat16"):
        model = kt.build_model(toy_backbone(), 3, image_size=32)
    result = json.loads((kt.export(model, tmp_path) / "verification.json").read_text())
    assert result["tolerance"] == 1e-5 and result["passed"]
