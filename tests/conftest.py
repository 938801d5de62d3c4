"""Small pictures, small networks, and the real ones where they lie beside the project."""

from __future__ import annotations

import gc
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt

# two devices, so that distribution can be tested on any machine; must come before TensorFlow's first operation
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

gc.set_threshold(100_000, 20, 20)  # tracing makes many objects and little garbage: four in a hundred of the time

ROOT = Path(__file__).parent.parent
COLOURS = {"blue": (40, 60, 200), "green": (60, 180, 40), "red": (210, 50, 40)}


def write_pictures(folder: Path, per_class: int = 8, image_size: int = 40, classes=tuple(COLOURS)) -> Path:
    """Writes noisy pictures of one colour a class: easy to learn, quick to read."""
    rng = np.random.default_rng(len(folder.name))
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            noise = rng.normal(scale=25, size=(image_size, image_size + 8, 3))
            picture = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype("uint8")
            (folder / name / f"{index}.jpg").write_bytes(tf.io.encode_jpeg(picture, quality=95).numpy())
    return folder


def toy_network() -> keras.Model:
    """A network with all that must be frozen with care: BatchNorm, Dropout, noise and a skip connection."""
    layers = keras.layers
    images = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="first")(images)
    x = layers.BatchNormalization(name="first_bn")(x)
    early = layers.Activation("relu", name="early_end")(x)
    x = layers.Conv2D(8, 3, padding="same", name="second")(early)
    x = layers.BatchNormalization(name="second_bn")(x)
    x = layers.Dropout(0.3, name="second_dropout")(x)
    middle = layers.Add(name="middle_end")([x, early])
    x = layers.GaussianNoise(0.5, name="noise")(middle)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="third")(x)
    x = layers.BatchNormalization(name="third_bn")(x)
    return keras.Model(images, layers.Activation("relu", name="late_end")(x), name="toy")


def toy_backbone() -> kt.Backbone:
    stages = (("early", "early_end"), ("middle", "middle_end"), ("late", ""))
    return kt.Backbone(toy_network(), lambda images: images / 127.5 - 1, 32, stages=stages)


def make_lively(network: keras.Model, part: kt.Backbone, images: np.ndarray) -> None:
    """Settles BatchNorm on the images themselves: with random weights features would be constants, and tests blind."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            layer.set_weights([np.full(3, 0.45), np.full(3, 0.05), np.array(0)])
            layer.finalize_state()
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    inputs = images.astype("float32")
    network(part.preprocess(inputs) if part.preprocess else inputs, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


@pytest.fixture(scope="module", autouse=True)
def _leave_the_past_alone():
    """Lets the garbage collector pass over what earlier modules left: graphs of a thousand tests, looked at in vain."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"), per_class=10)


@pytest.fixture(scope="session")
def data(pictures) -> kt.data.ImageData:
    return kt.data.from_directory(pictures, image_size=32, batch_size=8)


@pytest.fixture
def toy() -> keras.Model:
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), 3, image_size=32)


@pytest.fixture(scope="module")
def trained(data):
    """A toy model that has learnt the three colours, and its History."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    history = kt.fine_tune(model, data, schedule="gradual", epochs=8, learning_rate=3e-2, verbose=0)
    return model, history


@pytest.fixture(scope="session")
def served_colours(tmp_path_factory) -> Path:
    """A folder with one version of a toy model that tells pictures apart, for servers. Not to be changed: copy it."""
    keras.utils.set_random_seed(0)
    part = toy_backbone()
    noise = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3))
    make_lively(part.network, part, noise)
    model = kt.build_model(part, 3, image_size=32)
    head = [layer for layer in model.layers if layer.weights][-1]  # a new one is zero: all classes alike
    head.set_weights([np.random.default_rng(1).normal(size=weight.shape) for weight in head.weights])
    return kt.export(model, tmp_path_factory.mktemp("served") / "colours", class_names=COLOURS, verify=False).parent


def _beside(variable: str, folder: str) -> Path:
    path = Path(os.environ.get(variable, ROOT.parent / "shared" / folder))
    if not path.is_dir():
        pytest.skip(f"{path} is not there; set {variable}")
    return path


@pytest.fixture(scope="session")
def real_weights() -> Path:
    return _beside("KERAS_TRANSFER_WEIGHTS", "weights")


@pytest.fixture(scope="session")
def real_data() -> Path:
    return _beside("KERAS_TRANSFER_DATA", "data")
