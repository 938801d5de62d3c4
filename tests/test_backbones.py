"""The contract of every backbone: what `build_model` promises holds for each row of the table."""

from __future__ import annotations

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from networks import BEGINNINGS, make_lively, part_named

import keras_transfer as kt
from keras_transfer.caching.activations import Activations
from keras_transfer.data.examples import Examples
from keras_transfer.models.stages import layers_before

# These are quick enough for every run, and the beginnings of large ones. `make test-slow` runs the whole of them all.
QUICK = {"MobileNet", "VGG16"}
EVERY = [
    "toy",
    *(pytest.param(name, marks=pytest.mark.slow if "ResNet50" in name else ()) for name in BEGINNINGS),
    *(pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in kt.available("backbone")),
]


@pytest.fixture(scope="module", params=EVERY)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def part(name) -> kt.Backbone:
    return part_named(name)


@pytest.fixture(scope="module")
def size(part) -> int:
    return max(part.min_image_size, 32)


@pytest.fixture(scope="module")
def network(part, size, images):
    """The network as Keras builds it, with statistics by which its features depend on the image."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(0)
    network = part.build(None, (size, size), None)
    make_lively(network, part, images)
    return network


@pytest.fixture(scope="module")
def model(part, network, size):
    return kt.build_model(replace(part, network=network), 3, image_size=size)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name.partition(" up to ")[0], marks=() if "MobileNet" in name else pytest.mark.slow)
        for name in BEGINNINGS
    ],
    indirect=True,
)
def test_a_large_network_is_built_with_the_stages_of_its_row(model, part):
    """Whole, where what follows takes its beginning."""
    assert kt.stages(model) == tuple(name for name, _ in part.stages)
    assert model.output.shape == (None, 3)


@pytest.fixture(scope="module")
def images(size) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, size, size, 3)).astype("uint8")


def test_it_is_a_functional_model_with_the_promised_layers(model, size):
    assert model.input.name == "images" and model.input.shape == (None, size, size, 3)
    assert model.get_layer("predictions").output.dtype == "float32"
    assert len(model.get_layer("features").output.shape) == 2
    assert model.output.shape == (None, 3)


def test_its_features_are_those_of_keras_with_keras_own_preprocessing(model, network, part, images):
    inputs = images.astype("float32")
    expected = network(part.preprocess(inputs.copy()) if part.preprocess else inputs, training=False)
    features = np.mean(expected, axis=(1, 2))
    spread = np.ptp(features, axis=0).max()
    assert spread > 1e-2 * np.abs(features).max(), "the features must depend on the image for this to be a test"
    prefix, _ = kt.split(model, "features")
    assert np.abs(prefix(images) - features).max() <= 1e-4 * spread


def test_bytes_and_floats_give_the_same(model, images):
    assert np.array_equal(model(images), model(images.astype("float32")))


def test_its_stages_are_in_order_and_cover_it(model, part):
    names = kt.stages(model)
    assert names == tuple(name for name, _ in part.stages)
    sizes = [len(layers_before(model, name)) for name in names] + [len(layers_before(model, "head"))]
    assert sizes == sorted(set(sizes)), "each stage adds layers"
    with_weights = {layer.name for layer in model.layers if layer.weights}
    covered = {layer.name for layer in layers_before(model, "head")}
    assert with_weights - covered == {"logits"}


def test_split_is_exact_at_every_stage(model, images):
    whole = model(images)
    for at in (*kt.stages(model), "features"):
        prefix, suffix = kt.split(model, at)
        assert np.array_equal(suffix(prefix(images)), whole), at


def training_data(images, batch_size) -> kt.data.ImageData:
    examples = Examples(images, np.arange(len(images)) % 3)
    return kt.data.ImageData({"train": examples}, ("a", "b", "c"), images.shape[1:3], batch_size=batch_size)


def test_stored_activations_give_the_answers_of_the_whole(model, images):
    """In float32, at a stage and at the features, computed in one pass in other batches than these."""
    data = training_data(images, batch_size=3)
    names = kt.stages(model)
    cuts = [names[len(names) // 2], "features"] if len(names) > 1 else ["features"]
    activations = Activations(model, data, cuts, kt.Cache("memory"), ["train"], verbose=0)
    examples = data.splits["train"].items.astype("float32")
    for cut in cuts:
        rows = [array.read(np.arange(len(examples))) for array in activations.at(cut)["train"]]
        answers = kt.split(model, cut)[1](rows if len(rows) > 1 else rows[0])
        assert np.abs(answers - model(examples)).max() <= 1e-5


@pytest.mark.slow
def test_cached_training_ends_in_the_same_weights(model, images):
    """Ten steps of SGD, head and last stage, in the same batches."""
    data = training_data(images, batch_size=2)
    start, ends = model.get_weights(), []
    for cache in (False, "memory"):
        model.set_weights(start)
        phases = (kt.Phase(2, "head", 1e-2), kt.Phase(3, min(1, len(kt.stages(model)) - 1), 1e-3))
        kt.fine_tune(model, data, schedule=phases, optimizer=keras.optimizers.SGD(clipnorm=1.0), cache=cache, verbose=0)
        ends.append(model.get_weights())
    model.set_weights(start)
    for plain, cached in zip(*ends, strict=True):
        assert np.abs(plain - cached).max() <= 1e-5 * max(np.abs(plain).max(), 1e-3)


def test_keras_file_keeps_stages_and_answers(model, images, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert kt.stages(again) == kt.stages(model)
    assert np.array_equal(again(images), model(images))
    prefix, suffix = kt.split(again, kt.stages(again)[-1])
    assert np.array_equal(suffix(prefix(images)), again(images))


@pytest.mark.parametrize("open_last", [pytest.param(False, marks=pytest.mark.slow), True], ids=["head", "last stage"])
def test_frozen_means_still(model, images, open_last):
    names = kt.stages(model)
    boundary = names[-1] if open_last and len(names) > 1 else "features"
    kt.set_trainable(model, names[-1] if boundary in names else "head", train_batch_norm=True)
    prefix, _ = kt.split(model, boundary)
    first, second = prefix(images, training=True), prefix(images, training=True)
    before = keras.tree.map_structure(np.asarray, prefix(images, training=False))
    for actual in (first, second):
        keras.tree.map_structure(np.testing.assert_array_equal, keras.tree.map_structure(np.asarray, actual), before)

    weights = [weight.numpy() for weight in prefix.weights]
    bias = model.get_layer("logits").bias.numpy()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, np.array([0, 1, 2, 0]), batch_size=2, epochs=1, verbose=0)
    for old, variable in zip(weights, prefix.weights, strict=True):
        assert np.array_equal(old, variable.numpy()), variable.path
    assert not np.array_equal(bias, model.get_layer("logits").bias.numpy()), "the head did train"
    after = keras.tree.map_structure(np.asarray, prefix(images, training=False))
    keras.tree.map_structure(np.testing.assert_array_equal, after, before)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) for name in kt.available("backbone")], indirect=True
)
def test_an_export_answers_what_the_model_answers(name, model, tmp_path):
    """In a process with TensorFlow alone, every signature at 1e-5; the pictures are drawn files of all formats."""
    model.get_layer("logits").set_weights(
        [np.random.default_rng(0).normal(size=weight.shape) for weight in model.get_layer("logits").weights]
    )
    version = kt.export(model, tmp_path, top_k=2)
    result = json.loads((version / "verification.json").read_text())
    assert result["tolerance"] == 1e-5 and result["images"] == 9
    served = {key.partition("/")[0] for key in result["differences"]}
    assert {"serving_default", "predict_images", "predict_images_uint8", "features", "top_k", "explain"} <= served
