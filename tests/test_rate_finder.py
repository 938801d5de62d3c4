"""find_learning_rate: finds a rate that works, and leaves no trace."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer._keras.still import layers_inside


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


def everything(model) -> list[np.ndarray]:
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


@pytest.mark.slow
def test_model_optimizer_and_data_are_as_they_were(arrays):
    """Training after it gives the very weights that training without it gives."""
    results = []
    for look in (False, True):
        keras.utils.set_random_seed(0)
        data = dataclasses.replace(arrays, augment="light")
        data.start_epoch(0)
        model = kt.build_model(toy_backbone(), 3, image_size=32, head="mlp")
        kt.set_trainable(model, 1)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(data.train, epochs=1, verbose=0, shuffle=False)
        if look:
            before, optimizer, history = everything(model), model.optimizer, model.history
            flags = [layer.trainable for layer in layers_inside(model)]
            kt.find_learning_rate(model, data, unfrozen="all", steps=20, verbose=0)
            assert model.optimizer is optimizer and model.history is history
            assert flags == [layer.trainable for layer in layers_inside(model)]
            for old, new in zip(before, everything(model), strict=True):
                assert np.array_equal(old, new)
        model.fit(data.train, epochs=1, verbose=0, shuffle=False)
        results.append(everything(model))
    for without, with_look in zip(*results, strict=True):
        assert np.allclose(without, with_look, atol=1e-6)


def test_the_suggested_rate_learns_and_the_curve_has_a_valley(toy, data):
    data.start_epoch(0)  # what others left of it would give another order, and another curve
    curve = kt.find_learning_rate(toy, data, optimizer="sgd", highest=100.0, steps=60, verbose=0)
    assert 1e-5 < curve.suggestion < 10 and len(curve.rates) == len(curve.losses)
    history = kt.fine_tune(
        toy, data, schedule="feature_extraction", epochs=6, learning_rate=curve.suggestion, optimizer="sgd", verbose=0
    )
    assert history.history["loss"][-1] < 0.7 * history.history["loss"][0]
    assert curve.plot().axes[0].get_xscale() == "log" and "the loss falls fastest" in str(curve)


def test_a_run_that_diverges_ends_early(toy, data):
    curve = kt.find_learning_rate(toy, data.train, optimizer="sgd", lowest=1e-3, highest=1e6, steps=80, verbose=0)
    assert len(curve.rates) < 80 and np.isfinite(curve.losses).all()


def test_what_cannot_work_is_refused(toy, data):
    with pytest.raises(kt.InputError, match="`steps` to be a whole number of 20 or more"):
        kt.find_learning_rate(toy, data, steps=5)
    with pytest.raises(kt.InputError, match="`highest` above `lowest`"):
        kt.find_learning_rate(toy, data, lowest=1.0, highest=0.1)
    with pytest.raises(kt.InputError, match="a MultiOptimizer"):
        kt.find_learning_rate(toy, data, optimizer=kt.layerwise("adam", toy, 0.5))
    with pytest.raises(kt.InputError, match="ten batches or more"):
        kt.find_learning_rate(toy, data.train.take(0), verbose=0)
    with pytest.raises(kt.InputError, match="Did you mean 'late'"):
        kt.find_learning_rate(toy, data, unfrozen="lat")
