"""Models with several inputs or outputs: they are split, and refused by name where one of each is needed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import toy_backbone

import keras_transfer as kt

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 32, 32, 3)).astype("float32")
ROWS = RNG.normal(size=(12, 5)).astype("float32")
LABELS = np.arange(12) % 3


@pytest.fixture
def two_inputs():
    """A picture and a row of a table."""
    model = kt.build_model(toy_backbone(), 3)
    row = keras.Input((5,), name="row")
    together = keras.layers.Concatenate()([model.get_layer("features").output, row])
    logits = keras.layers.Dense(3)(together)
    return keras.Model([model.input, row], keras.layers.Activation("softmax", name="predictions")(logits))


@pytest.fixture
def two_outputs():
    model = kt.build_model(toy_backbone(), 3)
    return keras.Model(model.input, [model.output, keras.layers.Dense(2)(model.get_layer("features").output)])


@pytest.fixture
def data():
    return kt.data.from_arrays(IMAGES.astype("uint8"), LABELS, validation_split=0.4)


@pytest.mark.parametrize("at", ["middle", "late", "features"])
def test_a_model_with_two_inputs_is_split(two_inputs, at):
    prefix, suffix = kt.split(two_inputs, at)
    assert len(prefix.inputs) == 1 and len(suffix.inputs) == 2
    expected = two_inputs.predict([IMAGES, ROWS], verbose=0)
    found = suffix.predict([prefix.predict(IMAGES, verbose=0), ROWS], verbose=0)
    assert np.allclose(found, expected, atol=1e-6)


def test_a_model_with_two_outputs_is_split(two_outputs):
    prefix, suffix = kt.split(two_outputs, "late")
    found = suffix.predict(prefix.predict(IMAGES, verbose=0), verbose=0)
    for one, expected in zip(found, two_outputs.predict(IMAGES, verbose=0), strict=True):
        assert np.allclose(one, expected, atol=1e-6)


def test_features_of_a_model_with_two_inputs(two_inputs, data):
    features, _ = kt.extract_features(two_inputs, data.validation, "features", verbose=0)
    prefix, _ = kt.split(two_inputs, "features")
    images = np.concatenate([images for images, _ in data.validation])
    assert np.allclose(features, prefix.predict(images, verbose=0), atol=1e-5)


def test_a_picture_and_a_row_train_and_are_evaluated(two_inputs):
    kt.set_trainable(two_inputs, "head")
    batches = tf.data.Dataset.from_tensor_slices(({"images": IMAGES, "row": ROWS}, LABELS)).batch(4)
    two_inputs.compile(kt.layerwise("adam", two_inputs, 0.5), "sparse_categorical_crossentropy")
    schedule = kt.UnfreezeSchedule("gradual", epochs=2, learning_rate=1e-3)
    two_inputs.fit(batches, epochs=2, callbacks=[schedule], shuffle=False, verbose=0)
    assert kt.evaluate(two_inputs, batches).images == 12


CALLS = {
    "fine_tune": lambda model, data, folder: kt.fine_tune(model, data, verbose=0),
    "find_learning_rate": lambda model, data, folder: kt.find_learning_rate(model, data, verbose=0),
    "CachedDataset": lambda model, data, folder: kt.CachedDataset(model, data, verbose=0),
    "adapt": lambda model, data, folder: kt.adapt(model, data, data, verbose=0),
    "grad_cam": lambda model, data, folder: kt.grad_cam(model, IMAGES),
    "export": lambda model, data, folder: kt.export(model, folder / "served"),
    "extend": lambda model, data, folder: kt.extend(model, ["d"]),
    "build_model": lambda model, data, folder: kt.build_model(model, 2),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", ["two_inputs", "two_outputs"])
def test_what_takes_one_input_and_one_output_says_so(call, kind, request, data, tmp_path):
    model = request.getfixturevalue(kind)
    with pytest.raises(kt.InputError, match="one input and one output"):
        CALLS[call](model, data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_several_outputs_have_no_report(two_outputs, data):
    with pytest.raises(kt.InputError, match="2 outputs.*Keras' own fit, evaluate and export"):
        kt.evaluate(two_outputs, data.validation)
