"""Averages over the last epochs: by hand, with BatchNorm that is trained, in runs that stop or go on."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt

PHASES = (kt.Phase(1, "head", 1e-2), kt.Phase(3, "all", 1e-2))


@pytest.fixture(scope="module")
def data():
    """Two classes by the shade, with noise."""
    labels = np.arange(40) % 2
    pictures = np.random.default_rng(0).normal(90 + 60 * labels[:, None, None, None], 30, (40, 32, 32, 3))
    return kt.data.from_arrays(pictures.clip(0, 255).astype("uint8"), labels, image_size=32, batch_size=16)


class Keep(keras.callbacks.Callback):
    def __init__(self, stop_at=None):
        super().__init__()
        self.weights, self.stop_at = [], stop_at

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.stop_at:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


def train(data, keep=None, **options):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    keras.utils.set_random_seed(1)
    kt.fine_tune(model, data, schedule=PHASES, verbose=0, callbacks=[keep] if keep else [], **options)
    return model


def test_the_weights_are_the_mean_of_those_after_the_last_epochs(data):
    model = train(data, keep := Keep(), average=2)
    for weight, *two in zip(model.weights, *keep.weights[-2:], strict=True):
        expected = np.mean(two, axis=0, dtype=np.float64) if weight.dtype == "float32" else two[-1]
        np.testing.assert_allclose(weight.numpy(), expected, atol=1e-7)
    assert kt.evaluate(model, data.validation).metrics["loss"] < 5


def test_statistics_of_batch_norm_that_is_trained_are_those_of_the_mean(data):
    model = train(data, average=3, train_batch_norm=True)
    found = model.get_layer("first_bn").moving_mean.numpy()
    inputs = keras.Model(model.input, model.get_layer("first").output)
    images = np.concatenate([images for images, _ in data.in_order("train")])
    maps = inputs.predict(images, verbose=0)
    np.testing.assert_allclose(found, maps.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)


def test_without_data_the_statistics_are_averaged_too(data):
    keep = Keep()
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    kt.set_trainable(model, "all", train_batch_norm=True)
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    model.fit(data.train, epochs=3, shuffle=False, verbose=0, callbacks=[keep, kt.AverageEpochs(2)])
    norm = next(place for place, weight in enumerate(model.weights) if weight.path.endswith("moving_mean"))
    expected = np.mean([weights[norm] for weights in keep.weights[1:]], axis=0)
    np.testing.assert_allclose(model.get_weights()[norm], expected, atol=1e-6)


@pytest.mark.slow
def test_a_run_that_goes_on_ends_with_the_same_mean(data, tmp_path):
    whole = train(data, average=3)
    with pytest.raises(KeyboardInterrupt):
        train(data, Keep(stop_at=3), average=3, resume_dir=tmp_path / "run")
    for _ in ("goes on", "is finished"):
        again = train(data, average=3, resume_dir=tmp_path / "run")
        assert all(np.array_equal(*pair) for pair in zip(again.get_weights(), whole.get_weights(), strict=True))


@pytest.mark.slow
def test_a_training_that_stops_early_averages_what_there_is(data):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 2

    keep = Keep()
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    kt.fine_tune(model, data, schedule=PHASES, verbose=0, average=3, callbacks=[keep, Stop()])
    assert len(keep.weights) == 3
    expected = np.mean([weights[0] for weights in keep.weights], axis=0, dtype=np.float64)
    np.testing.assert_allclose(model.get_weights()[0], expected, atol=1e-7)


def test_more_epochs_than_the_last_phase_has_are_refused(data):
    with pytest.raises(kt.InputError, match="at most the epochs of the last phase that is trained, 3.*average=4"):
        train(data, average=4)
    with pytest.raises(kt.InputError, match="average"):
        train(data, average=1)


def test_batch_norm_that_is_frozen_stays_still(data):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [norm.moving_mean.numpy() for norm in norms]
    phases = (kt.Phase(3, 1, 1e-2),)
    kt.fine_tune(model, data, schedule=phases, train_batch_norm=True, average=2, verbose=0)
    moved = [not np.array_equal(norm.moving_mean, old) for norm, old in zip(norms, before, strict=True)]
    assert moved == [False, False, True]


def test_a_training_that_diverges_is_not_averaged(data):
    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.params["epochs"] and self.epoch == 3:
                self.model.layers[-2].kernel.assign(np.full_like(self.model.layers[-2].kernel, np.nan))

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32)
    with pytest.warns(kt.DataWarning, match="diverged"):
        kt.fine_tune(model, data, schedule=PHASES, average=3, callbacks=[Break()], verbose=0)
    assert np.isfinite(kt.evaluate(model, data.validation).metrics["loss"])
