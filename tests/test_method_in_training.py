"""What a method learns itself: at the rate and in the steps of the model's head, whatever scales the loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone
from keras.optimizers import SGD, LossScaleOptimizer, MultiOptimizer, OptimizerMap
from networks import computing_in
from test_adaptation_model import datasets

import keras_transfer as kt

slow = pytest.mark.slow

LOSS = "sparse_categorical_crossentropy"


def learnt(optimizer: keras.optimizers.Optimizer, **fitting) -> np.ndarray:
    """Trains the last stage, the head and a discriminator, and returns what the discriminator has learnt."""
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=24)
    adapting = kt.AdaptationModel(model, kt.alignment.DANN(units=(8,)))
    kt.set_trainable(adapting, 1)
    adapting.compile(optimizer, LOSS, auto_scale_loss=False)
    source, target = datasets(count=16, batch_size=8)
    adapting.fit((source, target), verbose=0, **fitting)
    return np.concatenate([np.ravel(variable) for variable in adapting.method.variables])


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return learnt(SGD(0.1), epochs=2)


@pytest.mark.parametrize(
    "optimizer",
    [
        pytest.param(lambda: LossScaleOptimizer(SGD(0.1), 2**10), id="loss scale"),
        pytest.param(
            lambda: LossScaleOptimizer(SGD(0.1), 2**10, dynamic_growth_steps=1), id="growing loss scale", marks=slow
        ),
        pytest.param(lambda: SGD(0.1, loss_scale_factor=2.0**10), id="fixed loss scale", marks=slow),
        pytest.param(
            lambda: MultiOptimizer(OptimizerMap(SGD(0.1)), loss_scale_factor=2.0**10), id="fixed scale of several"
        ),
    ],
)
def test_the_scale_of_the_loss_does_not_change_what_a_discriminator_learns(optimizer, plain):
    assert np.allclose(learnt(optimizer(), epochs=2), plain, atol=1e-6)


def by_layer(variable: keras.Variable) -> keras.optimizers.Optimizer:
    return OPTIMIZERS["head" if variable.path.startswith("logits") else "backbone"]


OPTIMIZERS: dict[str, keras.optimizers.Optimizer] = {}


@pytest.mark.parametrize("scaled", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize(
    "several",
    [
        pytest.param(lambda: MultiOptimizer(OptimizerMap(SGD(1e-3), {"logits/.*": SGD(0.1)})), id="map, head first"),
        pytest.param(
            lambda: MultiOptimizer(OptimizerMap(SGD(0.1), {"third.*": SGD(1e-3)})), id="map, head last", marks=slow
        ),
        pytest.param(lambda: MultiOptimizer(by_layer), id="function", marks=slow),
    ],
)
def test_of_several_optimizers_a_discriminator_learns_like_the_head(several, scaled, plain):
    OPTIMIZERS.update(head=SGD(0.1), backbone=SGD(1e-3))
    optimizer = LossScaleOptimizer(several()) if scaled else several()
    found = learnt(optimizer, epochs=2)
    slow = learnt(SGD(1e-3), epochs=2)
    assert np.abs(found - plain).max() < np.abs(found - slow).max() / 4, "features differ, as the backbone's rate does"


def test_with_accumulated_gradients_a_discriminator_takes_its_steps_when_the_model_does():
    found = []
    for scaled in (False, True):
        accumulating = SGD(0.1, gradient_accumulation_steps=2)
        moved = Moves()
        optimizer = LossScaleOptimizer(accumulating, dynamic_growth_steps=1) if scaled else accumulating
        found.append(learnt(optimizer, epochs=2, callbacks=[moved]))
        assert moved.model_moved == [False, True, False, True] == moved.discriminator_moved
    assert np.allclose(*found, atol=1e-6)


class Moves(keras.callbacks.Callback):
    """Notes after each step whether the weights of the model and of its discriminator have changed."""

    def on_train_begin(self, logs=None):
        self.model_moved, self.discriminator_moved = [], []
        self._before = self._weights()

    def on_train_batch_end(self, batch, logs=None):
        now = self._weights()
        for moved, old, new in zip((self.model_moved, self.discriminator_moved), self._before, now, strict=True):
            moved.append(not np.array_equal(old, new))
        self._before = now

    def _weights(self):
        kernels = self.model.get_layer("logits").kernel, self.model.method.variables[0]
        return [np.array(kernel) for kernel in kernels]


# steps that are skipped


@pytest.fixture
def half_precision():
    with computing_in("mixed_float16"):
        yield


@pytest.mark.parametrize("method", ["dann", pytest.param("cdan", marks=slow)])
def test_a_step_that_overflows_is_skipped_by_the_discriminator_too(half_precision, method):
    """As Keras' LossScaleOptimizer does with the weights of the model."""
    keras.utils.set_random_seed(0)
    adapting = kt.AdaptationModel(kt.build_model(toy_backbone(), 3, image_size=24), method)
    kt.set_trainable(adapting, 1)
    adapting.compile("adam", LOSS)
    source, target = datasets(count=24, batch_size=8)
    step = tf.data.Dataset.range(3)
    broken = tf.data.Dataset.zip(step, source).map(
        lambda index, batch: (tf.where(index == 1, tf.constant(np.inf), batch[0]), batch[1])
    )
    moved = Moves()
    adapting.fit((broken, target), verbose=0, callbacks=[moved])
    assert moved.model_moved == [True, False, True] == moved.discriminator_moved
    assert all(np.isfinite(variable).all() for variable in (*adapting.method.variables, *adapting.weights))
    assert all(np.isfinite(array).all() for array in adapting._running.state), "nor their optimizer's moments"
