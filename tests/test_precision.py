"""Models that were trained in half precision: they are exported and converted in float32."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from networks import computing_in, part_named, toy_backbone

import keras_transfer as kt
from keras_transfer._keras.still import layers_inside
from keras_transfer.models.precision import in_float32

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype("float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "name",
    [
        "toy",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("ConvNeXtTiny up to stage0", "EfficientNetB0 up to block2")
        ),
    ],
)
def test_the_copy_computes_in_float32_with_the_same_weights(policy, name):
    part = part_named(name)
    with computing_in(policy):
        half = kt.build_model(part, 3, image_size=32, weights=None)
    whole = in_float32(half)
    assert {layer.compute_dtype for layer in layers_inside(whole) if layer.dtype != "float64"} == {"float32"}
    assert all(np.array_equal(*pair) for pair in zip(half.get_weights(), whole.get_weights(), strict=True))
    assert kt.stages(whole) == kt.stages(half)
    assert np.allclose(whole.predict(IMAGES, verbose=0), half.predict(IMAGES, verbose=0), atol=0.05)


def test_a_model_in_float32_is_itself():
    model = kt.build_model(toy_backbone(), 3)
    assert in_float32(model) is model


@pytest.mark.slow
def test_a_model_trained_in_half_precision_is_exported_and_converted(tmp_path):
    data = kt.data.from_arrays(IMAGES[[0, 1, 2, 3] * 4].astype("uint8"), np.arange(16) % 2)
    with computing_in("mixed_float16"):
        model = kt.build_model(toy_backbone(), 2)
        kt.fine_tune(model, data, epochs=1, schedule="feature_extraction", verbose=0)
    for weight in model.get_layer("logits").weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    version = kt.export(model, tmp_path / "served", data=data)
    answered = kt.load(version).predict_probabilities(IMAGES)
    assert np.abs(answered - in_float32(model).predict(IMAGES, verbose=0)).max() < 1e-6
    assert kt.verify(version, model=model).passed
    model.save(tmp_path / "served" / "model.keras")
    assert kt.verify(version).passed, "against the file beside it, which keeps the policy"
    file = kt.convert(version, "litert")
    assert file.name == "model.tflite"
    assert model.get_layer("first").compute_dtype == "float16", "the model itself stays as it is"
    assert keras.config.dtype_policy().name == "float32"
