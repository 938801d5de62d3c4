"""A head on what all stages give: its features, splits, training on activations, and a plain model at the end."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import toy_backbone

import keras_transfer as kt

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype("float32")


def network(head="multilayer", classes=2, **options):
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), classes, image_size=32, head=head, **options)


@pytest.mark.parametrize("pooling", ["avg", "max", "gem"])
def test_features_are_averages_of_all_stages_and_the_pooled_vector(pooling):
    model = network(pooling=pooling)
    *earlier, _ = kt.stages(model)
    assert len(earlier) > 1
    maps = keras.Model(model.input, [model.get_layer(f"stage_{name}").output for name in earlier])
    expected = [image.mean(axis=(1, 2)) for image in maps.predict(IMAGES, verbose=0)]
    features = keras.Model(model.input, model.get_layer("features").output).predict(IMAGES, verbose=0)
    plain = network("linear", pooling=pooling)
    pooled = keras.Model(plain.input, plain.get_layer("features").output).predict(IMAGES, verbose=0)
    assert np.allclose(features, np.concatenate([*expected, pooled], axis=1), atol=1e-5)
    at = (*kt.stages(model)[1:], "features")
    same = kt.extract_features(plain, tf.data.Dataset.from_tensors((IMAGES, IMAGES)), at)[0]
    assert np.allclose(features, same, atol=1e-5)


def test_every_split_gives_the_whole_and_carries_vectors_of_earlier_stages():
    model = network()
    whole = model.predict(IMAGES, verbose=0)
    for index, at in enumerate((*kt.stages(model), "head", "features")):
        before, after = kt.split(model, at)
        assert np.allclose(after.predict(before.predict(IMAGES, verbose=0), verbose=0), whole, atol=1e-6)
        maps = [tensor for tensor in before.outputs if len(tensor.shape) == 4]
        assert len(maps) == (at != "features"), f"only the map that enters {at}"
        assert len(before.outputs) == (1 if at == "features" else max(index, 1))


def test_a_vector_or_one_stage_needs_nothing_of_others():
    images = keras.Input((4, 4, 3))
    vector = keras.layers.Flatten(name="flat")(images)
    model = kt.build_model(kt.Backbone(keras.Model(images, vector), image_size=4), 2, weights=None, head="multilayer")
    assert model.get_layer("features").output.shape == (None, 48)


@pytest.mark.slow
def test_trained_on_activations_as_on_images(arrays):
    phases = (kt.Phase(1, "head", 1e-2), kt.Phase(1, 2, 1e-3))
    found = []
    for cache in ("memory", False):
        model = network(classes=3)
        kt.fine_tune(model, arrays, schedule=phases, cache=cache, verbose=0)
        found.append(model.get_weights())
    assert all(np.allclose(*pair, atol=1e-5) for pair in zip(*found, strict=True))


@pytest.mark.slow
def test_solved_and_saved_as_a_plain_model_and_served(arrays, tmp_path):
    model = network(classes=3)
    history = kt.fine_tune(model, arrays, schedule="solve", verbose=0)
    assert history.path and history.history["accuracy"][0] > 0.8 and model.origin.head == "multilayer"
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert kt.stages(again) == kt.stages(model)
    assert np.array_equal(again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))
    assert kt.export(model, tmp_path / "served", data=arrays).is_dir(), "verified: served equals trained"


def test_as_a_backbone_it_leaves_the_vectors_of_earlier_stages_behind():
    model = network()
    reused = kt.build_model(model, 3, image_size=32)
    assert kt.stages(reused) == kt.stages(model)
    assert not [layer.name for layer in reused.layers if layer.name.startswith("tap_")]


def test_a_layer_of_the_network_with_the_name_of_a_tap_stays_in_its_stage():
    x = images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="early_end")(x)
    x = keras.layers.Conv2D(4, 3, name="tap_early")(x)
    part = kt.Backbone(keras.Model(images, x), image_size=8, stages=(("early", "early_end"), ("late", "")))
    before, after = kt.split(kt.build_model(part, 2, weights=None), "late")
    assert [layer.name for layer in before.layers if layer.weights] == ["early_end"]
    assert "tap_early" in [layer.name for layer in after.layers]
