"""Maps of a backbone at several strides: where their values lie in the image, for every network of the table."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import part_named, toy_backbone

import keras_transfer as kt
from keras_transfer.models.feature_maps import moved
from keras_transfer.models.geometry import Grid, grids_of

# Where branches meet that lie apart, the place is their mean: right to a part of a cell.
BRANCHES_APART = {"NASNetLarge", "NASNetMobile", "Xception"}
SHORT = ["toy", "InceptionV3 up to mixed2", "MobileNetV2 up to block3"]
EVERY = [*SHORT, *(pytest.param(name, marks=pytest.mark.slow) for name in kt.available("backbone"))]


def symmetric(model: keras.Model, rng: np.random.Generator) -> keras.Model:
    """Returns a copy whose windows weigh all places alike, so that the middle of what a value sees is its place."""

    def like(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = keras.layers.AveragePooling2D if isinstance(layer, keras.layers.MaxPooling2D) else type(layer)
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=like)
    for layer in copy.layers:
        gate = tuple(layer.output.shape[1:-1]) in ((1, 1), ()) if layer.weights else False  # one value an image
        for weight in layer.weights:
            if weight.path.endswith("kernel"):
                alone = isinstance(layer, keras.layers.DepthwiseConv2D) or "depthwise" in weight.path.split("/")[-1]
                inputs = 1 if alone else weight.shape[-2]
                share = np.prod(weight.shape[:-2]) * inputs
                flat = np.zeros(weight.shape[-2:]) if gate else rng.uniform(0.5, 1.5, weight.shape[-2:]) / share
                weight.assign(np.broadcast_to(flat, weight.shape))
    return copy


@pytest.mark.parametrize("name", EVERY)
def test_a_value_lies_in_the_middle_of_what_it_sees(name):
    keras.backend.clear_session()
    part, rng = part_named(name), np.random.default_rng(0)
    side = max(part.min_image_size, 32)
    height = 500 if name in SHORT else 1600  # the middle must not see the border
    model = symmetric(kt.pyramid(part, weights=None, image_size=(height, side)), rng)
    # a little above grey: positive for all networks, and below the 6 at which some cut off
    image = tf.Variable(np.full((1, height, side, 3), 127.6, np.float32))
    with tf.GradientTape(persistent=True) as tape:
        maps = model(image, training=False)
        row = {name: values.shape[1] // 2 for name, values in maps.items()}
        seen = {
            name: tf.reduce_sum(values[0, row[name], values.shape[2] // 2] * rng.uniform(0.5, 1.5, values.shape[-1]))
            for name, values in maps.items()
        }
    assert len(maps) >= (5 if name in ("MobileNetV2", "VGG16", "ResNet50") else 2)
    for name_of_map, value in seen.items():
        stride = int(name_of_map.removeprefix("stride"))
        assert maps[name_of_map].shape[1:3] == (-(-height // stride), -(-side // stride))
        weights = tape.gradient(value, image).numpy().sum(axis=(0, 2, 3)).astype("float64")
        middle = (weights * np.arange(height)).sum() / weights.sum()
        assert middle == pytest.approx(
            (row[name_of_map] + 0.5) * stride - 0.5, abs=1 if name in BRANCHES_APART else 0.02
        )


def test_maps_of_a_slope_are_the_slope_at_their_places():
    model = kt.build_model(toy_backbone(), 3, image_size=(33, 47))
    (rows, columns) = grids_of(model)[id(model.get_layer("stage_late").output)]
    assert (rows.size, columns.size) == (9, 12) and rows.stride == 4
    images = keras.Input((9, 12, 1))
    wanted = Grid.regular(33, 4), Grid.regular(47, 2)
    down, right = np.meshgrid(rows.first + 4 * np.arange(9), columns.first + 4 * np.arange(12), indexing="ij")
    found = keras.Model(images, moved(images, (rows, columns), wanted)).predict(
        (3 * down + right)[None, ..., None], verbose=0
    )
    asked = np.meshgrid(1.5 + 4 * np.arange(9), 0.5 + 2 * np.arange(24), indexing="ij")
    asked = [np.clip(places, known.min(), known.max()) for places, known in zip(asked, (down, right), strict=True)]
    assert found.shape == (1, 9, 24, 1) and np.allclose(found[0, ..., 0], 3 * asked[0] + asked[1], atol=1e-3)


def test_a_pyramid_shares_the_weights_of_its_model_and_is_a_plain_model(tmp_path):
    model = kt.build_model(toy_backbone(), 3, image_size=(33, 47))
    kt.set_trainable(model, "late")
    maps = kt.pyramid(model)
    assert [(name, tuple(values.shape)) for name, values in maps.output.items()] == [
        ("stride2", (None, 17, 24, 8)),
        ("stride4", (None, 9, 12, 16)),
    ]
    assert {id(weight) for weight in maps.trainable_weights} <= {id(weight) for weight in model.trainable_weights}
    images = np.random.default_rng(0).integers(0, 256, (2, 33, 47, 3)).astype("float32")
    still = maps(images, training=True)["stride2"]
    answers = maps.predict(images, verbose=0)
    assert np.allclose(still, answers["stride2"], atol=1e-6)
    maps.save(tmp_path / "maps.keras")
    again = keras.models.load_model(tmp_path / "maps.keras").predict(images, verbose=0)
    assert all(np.allclose(again[name], values, atol=1e-6) for name, values in answers.items())


def test_what_has_no_maps_is_refused():
    with pytest.raises(kt.InputError, match="images of a fixed size"):
        kt.pyramid(toy_backbone(), image_size=(None, None))
    vector = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(kt.InputError, match="a feature map"):
        kt.pyramid(vector)
    with pytest.raises(kt.InputError, match="image_size"):
        kt.pyramid("MobileNet", weights=None, image_size="large")
    with pytest.raises(kt.InputError, match="whose layers are shared"):
        kt.pyramid(kt.build_model(toy_backbone(), 3, image_size=32), image_size=64)
