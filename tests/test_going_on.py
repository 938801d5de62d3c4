"""Going on with a model that is there: more classes, files that load again, weights of Keras 2."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
from conftest import mostly_slow
from networks import toy_backbone

import keras_transfer as kt
from keras_transfer._keras.still import is_still, layers_inside

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3)).astype("float32")


def known(head="linear", activation="softmax", **options):
    model = kt.build_model(toy_backbone(), 3, head=head, activation=activation, **options)
    for weight in model.layers[-2].weights or model.layers[-3].weights:
        weight.assign(RNG.normal(size=weight.shape))
    model.class_names = ("ant", "bee", "cat")
    return model


@pytest.mark.parametrize("head", ["linear", "mlp", "cosine", "multilayer"])
@pytest.mark.parametrize("activation", mostly_slow(["softmax", "sigmoid", "linear"]))
def test_more_classes_keep_what_is_known_of_the_others(head, activation):
    model = known(head, activation)
    longer = kt.extend(model, ["dog", "eel"])
    assert longer.class_names == ("ant", "bee", "cat", "dog", "eel") and longer.output_shape == (None, 5)
    before, after = model.predict(IMAGES, verbose=0), longer.predict(IMAGES, verbose=0)
    if activation == "softmax":
        after = after[:, :3] / after[:, :3].sum(axis=1, keepdims=True)
    assert np.allclose(after[:, :3], before, atol=1e-6)
    assert kt.stages(longer) == kt.stages(model) and longer.origin == model.origin
    assert not set(map(id, longer.weights)) & set(map(id, model.weights)), "the first model stays as it is"


def test_what_is_frozen_stays_frozen_and_the_new_class_is_learnt(tmp_path):
    model = known()
    kt.set_trainable(model, "late")
    longer = kt.extend(model, ["dog"])
    for layer, copy in zip(layers_inside(model), layers_inside(longer), strict=True):
        assert (layer.trainable, is_still(layer)) == (copy.trainable, is_still(copy)), layer.name
    frozen = [layer.get_weights() for layer in longer.layers if layer.weights and not layer.trainable]
    labels = np.array(["ant", "bee", "cat", "dog"] * 6)
    shades = {"ant": 0, "bee": 80, "cat": 160, "dog": 255}
    images = np.stack([np.full((32, 32, 3), shades[name], "uint8") for name in labels])
    data = kt.data.from_arrays(images, labels).with_classes(longer.class_names)
    kt.fine_tune(longer, data, schedule=(kt.Phase(2, "head", 0.05),), verbose=0)
    after = [layer.get_weights() for layer in longer.layers if layer.weights and not layer.trainable]
    assert len(after) >= len(frozen)
    longer.save(tmp_path / "m.keras")
    assert kt.load_model(tmp_path / "m.keras").class_names == longer.class_names
    assert kt.extend(kt.load_model(tmp_path / "m.keras"), ["eel"]).output_shape == (None, 5)


def test_models_that_cannot_be_extended_are_refused():
    with pytest.raises(kt.InputError, match="knows the names of its 3 classes"):
        kt.extend(kt.build_model(toy_backbone(), 3), ["dog"])
    with pytest.raises(kt.InputError, match="new classes.*bee"):
        kt.extend(known(), ["bee"])
    with pytest.raises(kt.InputError, match="new classes"):
        kt.extend(known(), ["dog", "dog"])
    with pytest.raises(kt.InputError, match="a list of names"):
        kt.extend(known(), "dog")
    with pytest.raises(kt.InputError, match="no stage is marked"):
        kt.extend(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), ["dog"])

    def twofold(features, count):
        halves = [keras.layers.Dense(count, name=name)(features) for name in ("one", "two")]
        return keras.layers.EinsumDense("ab,bc->ac", (count,))(keras.layers.Add()(halves))

    model = kt.build_model(toy_backbone(), 3, head=twofold)
    model.class_names = ("ant", "bee", "cat")
    with pytest.raises(kt.InputError, match="ends in a dense layer of 3 units.*EinsumDense"):
        kt.extend(model, ["dog"])


def test_a_file_that_would_not_load_again_is_refused(tmp_path):
    model = kt.build_model(toy_backbone(), 2)
    with pytest.raises(kt.InputError, match=r"Expected a \.keras file.*HDF5 cannot hold 'true_divide"):
        model.save(tmp_path / "m.h5")
    with pytest.raises(kt.InputError, match=r"Expected a \.keras file"):
        model.save(str(tmp_path / "m.HDF5"))
    assert not list(tmp_path.iterdir())
    data = kt.data.from_arrays(IMAGES, np.arange(6) % 2, validation_split=0.4)
    with pytest.raises(kt.InputError, match=r"Expected a \.keras file"):
        kt.fine_tune(model, data, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(str(tmp_path / "m.h5"))])
    checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "m.weights.h5"), save_weights_only=True)
    kt.fine_tune(model, data, verbose=0, epochs=1, schedule="feature_extraction", callbacks=[checkpoint])
    assert (tmp_path / "m.weights.h5").exists()


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_what_hdf5_can_hold_is_saved(tmp_path):
    plain = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, name="one")])
    model = kt.build_model(plain, 2, image_size=32)
    model.save(tmp_path / "m.h5")
    again = keras.models.load_model(tmp_path / "m.h5", compile=False)
    assert np.array_equal(again.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))


@pytest.mark.parametrize("kind", mostly_slow(["classifier", "other", "weights", "model"], fast=2))
def test_weights_of_keras_2_are_read(kind, tmp_path):
    """The layout of Keras 2: layers by name, in a group of their own if the whole model was saved."""
    network = keras.applications.MobileNet(input_shape=(32, 32, 3), alpha=0.25, include_top=False, weights=None)
    for weight in network.weights:
        weight.assign(RNG.uniform(0.5, 1.5, weight.shape) / 10)
    layers = [(layer.name, layer.weights) for layer in network.layers]
    if kind == "classifier":
        layers.append(("predictions", []))
    if kind == "other":
        layers = [(f"{name}_7", weights) for name, weights in layers[:-3]]
    with h5py.File(tmp_path / "old.h5", "w") as file:
        group = file if kind == "weights" else file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _ in layers]
        for name, weights in layers:
            part = group.create_group(name)
            part.attrs["weight_names"] = [f"{name}/{index}:0".encode() for index in range(len(weights))]
            for index, weight in enumerate(weights):
                part[f"{name}/{index}:0"] = np.asarray(weight)
        if kind == "classifier":
            group["predictions"].attrs["weight_names"] = [b"predictions/kernel:0"]
            group["predictions"]["predictions/kernel:0"] = np.zeros((4, 5), "float32")

    def built():
        return kt.build_model(
            "MobileNet", 2, weights=tmp_path / "old.h5", image_size=32, backbone_options={"alpha": 0.25}
        )

    if kind == "other":
        with pytest.raises(kt.InputError, match="do not fit"):
            built()
        return
    expected = network.predict(IMAGES / 127.5 - 1, verbose=0).mean(axis=(1, 2))
    model = built()
    found = keras.Model(model.input, model.get_layer("features").output).predict(IMAGES, verbose=0)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max() and expected.std() > 0
