"""A training whose loss is no number any more stops, says where and why, and gives back good weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import mostly_slow

import keras_transfer as kt

GOOD, WILD = kt.Phase(1, "all", 1e-3), kt.Phase(3, "all", 1e25)


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


def without_validation(data):
    return kt.data.ImageData({"train": data.splits["train"]}, data.class_names, data.image_size, batch_size=8)


@pytest.mark.parametrize("cache", [False, "memory"])
@pytest.mark.parametrize("validated", mostly_slow([True, False]))
def test_it_stops_and_has_the_weights_of_the_last_good_epoch(toy, data, cache, validated):
    used, kept = data if validated else without_validation(data), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append(toy.get_weights()))
    with pytest.warns(
        kt.DataWarning, match=r"diverged in epoch 2, step \d.*the loss is not.*lower learning rate than 1e\+25"
    ):
        history = kt.fine_tune(
            toy, used, schedule=(GOOD, WILD), optimizer="sgd", cache=cache, callbacks=[keep], verbose=0
        )
    assert history.epoch == [0, 1]
    for ours, good in zip(toy.get_weights(), kept[0], strict=True):
        assert np.array_equal(ours, good)


def test_one_that_diverges_at_once_has_the_weights_it_began_with(toy, data):
    before = toy.get_weights()
    with pytest.warns(kt.DataWarning, match="diverged in epoch 1"):
        kt.fine_tune(toy, data, schedule=(WILD,), optimizer="sgd", verbose=0)
    generators = {variable.path for variable in toy.variables if "seed" in variable.path}
    for variable, old in zip(toy.weights, before, strict=True):
        assert variable.path in generators or np.array_equal(variable, old), variable.path
    assert np.isfinite(kt.evaluate(toy, data.validation).metrics["loss"])
