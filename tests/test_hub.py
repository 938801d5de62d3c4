"""SavedModels as backbones: what hub.KerasLayer cannot do on Keras 3."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt

IMAGES = np.random.default_rng(0).uniform(0, 255, (6, 32, 32, 3)).astype("float32")


class Reusable(tf.Module):
    """A module that can be called for training and for inference, as TF-Hub's are, with dropout in training."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(np.random.default_rng(0).normal(size=(3, 3, 3, 5)).astype("float32"))
        self.frozen = tf.Variable(2.0, trainable=False)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3)), tf.TensorSpec((), tf.bool)])
    def __call__(self, images, training=False):
        features = tf.reduce_mean(tf.nn.conv2d(images, self.kernel, 2, "SAME"), axis=(1, 2)) * self.frozen
        return tf.cond(training, lambda: tf.nn.dropout(features, 0.5), lambda: features)


@pytest.fixture(scope="module")
def reusable(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("hub") / "reusable")
    module = Reusable()
    tf.saved_model.save(module, folder)
    return folder


@pytest.fixture(scope="module")
def kerass(tmp_path_factory) -> str:
    folder = str(tmp_path_factory.mktemp("hub") / "keras")
    network = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), keras.layers.ReLU()])
    network.export(folder, verbose=False)
    return folder


@pytest.fixture(params=["reusable", "kerass"])
def folder(request) -> str:
    return request.getfixturevalue(request.param)


def hub_layer(model) -> kt.HubLayer:
    return next(layer for layer in model.layers if isinstance(layer, kt.HubLayer))


def test_a_folder_is_a_backbone_that_freezes_and_trains(folder):
    model = kt.build_model(folder, 2, image_size=32)
    assert kt.stages(model) == ("backbone",)
    layer = hub_layer(model)
    for unfrozen, moves in (("head", False), ("all", True)):
        kt.set_trainable(model, unfrozen)
        assert bool(layer.trainable_variables) == moves
        before = layer.get_weights()
        model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        model.fit(IMAGES, np.arange(6) % 2, epochs=2, verbose=0)
        assert any(not np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True)) == moves


def test_it_saves_and_reloads_what_it_learnt(folder, tmp_path):
    model = kt.build_model(folder, 2, image_size=32)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.arange(6) % 2, epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert np.allclose(again(IMAGES), model(IMAGES), atol=1e-6)
    fresh = kt.build_model(folder, 2, image_size=32)
    kernels = [hub_layer(which).get_weights()[0] for which in (again, fresh)]
    assert not np.array_equal(*kernels)


def test_it_is_exported_with_what_it_learnt(folder, tmp_path):
    model = kt.build_model(folder, 2, image_size=32)
    model.get_layer("logits").kernel.assign(np.ones_like(model.get_layer("logits").kernel) * [[1.0, -1.0]])
    served = kt.load(kt.export(model, tmp_path))
    assert np.abs(served.predict_probabilities(IMAGES) - model(IMAGES)).max() <= 1e-5


def test_frozen_it_is_still_in_training(reusable):
    model = kt.build_model(reusable, 2, image_size=32)
    kt.set_trainable(model, "head")
    prefix, _ = kt.split(model, "features")
    assert np.array_equal(prefix(IMAGES, training=True), prefix(IMAGES))
    kt.set_trainable(model, "all")
    assert not np.array_equal(prefix(IMAGES, training=True), prefix(IMAGES))


def test_preprocessing_is_tf_hubs_unless_given(reusable):
    whole, _ = kt.split(kt.build_model(reusable, 2, image_size=32), "features")
    own, _ = kt.split(kt.build_model(kt.hub_backbone(reusable, preprocess=lambda x: x, image_size=32), 2), "features")
    module = tf.saved_model.load(reusable)
    assert np.allclose(whole(IMAGES), module(IMAGES / 255, False), rtol=1e-4)
    assert np.allclose(own(IMAGES), module(IMAGES, False), rtol=1e-4)


def test_what_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(kt.InputError, match="a folder with a saved_model.pb"):
        kt.build_model(str(tmp_path / "nothing"), 2)
    with pytest.raises(kt.InputError, match="cannot be loaded"):
        kt.build_model("https://127.0.0.1:9/model/1", 2)
    empty = tf.Module()
    tf.saved_model.save(empty, str(tmp_path / "empty"))
    with pytest.raises(kt.InputError, match="that can be called"):
        kt.build_model(str(tmp_path / "empty"), 2)


@pytest.mark.slow
def test_a_saved_model_is_found_under_the_name_of_its_time(reusable, tmp_path):
    """In a process of its own, which imports `keras_transfer.hub` as it always did."""
    model = kt.build_model(reusable, 2, image_size=32)
    model.save(tmp_path / "now.keras")
    names = ["keras_transfer.hub", "keras_transfer.models.backbones.hub"]
    for number, module in enumerate(names):
        with zipfile.ZipFile(tmp_path / "now.keras") as now, zipfile.ZipFile(tmp_path / f"{number}.keras", "w") as then:
            for name in now.namelist():
                content = now.read(name)
                if name == "config.json":
                    assert b"keras_transfer.models.backbones.hub" in content
                    content = content.replace(b"keras_transfer.models.backbones.hub", module.encode())
                then.writestr(name, content)
    code = (
        "import sys, keras, numpy, keras_transfer.hub; images = numpy.load(sys.argv[1]); "
        "models = [keras.models.load_model(file) for file in sys.argv[3:]]; "
        "numpy.save(sys.argv[2], [model.predict(images, verbose=0) for model in models])"
    )
    np.save(tmp_path / "images.npy", IMAGES)
    files = [tmp_path / name for name in ("images.npy", "answers.npy", "0.keras", "1.keras")]
    subprocess.run([sys.executable, "-c", code, *files], check=True)
    expected = model.predict(IMAGES, verbose=0)
    assert np.allclose(np.load(tmp_path / "answers.npy"), [expected] * 2, atol=1e-6)
