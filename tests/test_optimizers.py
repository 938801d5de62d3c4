"""layerwise: a rate for each stage."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt
from keras_transfer.models.stages import layers_by_part

optimizers = keras.optimizers
IMAGES = np.random.default_rng(0).uniform(0, 255, (12, 32, 32, 3)).astype("float32")
LABELS = np.arange(12) % 3


def rates(optimizer) -> dict[str, float]:
    return {leaf.name: float(leaf.learning_rate) for leaf in optimizer.optimizers}


def test_the_rate_shrinks_with_each_stage_away_from_the_head(toy):
    optimizer = kt.layerwise(optimizers.SGD(0.8, name="sgd"), toy, 0.5)
    assert rates(optimizer) == pytest.approx({"sgd_early": 0.1, "sgd_middle": 0.2, "sgd_late": 0.4, "sgd_head": 0.8})


def test_each_variable_moves_at_the_rate_of_its_stage(toy):
    """With plain SGD one step is the rate times the gradient, which is worked out beside it."""
    toy.get_layer("logits").kernel.assign(np.random.default_rng(1).normal(size=(16, 3)))
    kt.set_trainable(toy, "all")
    toy.get_layer("noise").stddev = toy.get_layer("second_dropout").rate = 0.0
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(LABELS, toy(IMAGES, training=True))
        loss = tf.reduce_mean(losses)
    variables = toy.trainable_variables
    gradients = {
        variable.path: gradient.numpy()
        for variable, gradient in zip(variables, tape.gradient(loss, [v.value for v in variables]), strict=True)
    }
    before = {variable.path: variable.numpy() for variable in variables}
    toy.compile(kt.layerwise(optimizers.SGD(0.8), toy, 0.5), "sparse_categorical_crossentropy")
    toy.fit(IMAGES, LABELS, batch_size=12, epochs=1, verbose=0)
    factors = {"early": 0.1, "middle": 0.2, "late": 0.4, "head": 0.8}
    for part, layers in layers_by_part(toy).items():
        for variable in (variable for layer in layers for variable in layer.trainable_variables):
            expected = before[variable.path] - factors[part] * gradients[variable.path]
            assert np.allclose(variable.numpy(), expected, atol=1e-4), variable.path


@pytest.mark.parametrize("exclude", [False, True])
def test_weight_decay_follows_the_rate_and_can_leave_out_norms_and_biases(toy, exclude):
    kt.set_trainable(toy, "all", train_batch_norm=True)
    for layer in (toy.get_layer("first"), toy.get_layer("first_bn")):
        layer.trainable_variables[-1].assign(np.ones(8))
    before = {variable.path: variable.numpy() for variable in toy.trainable_variables}
    optimizer = kt.layerwise(optimizers.AdamW(0.8, weight_decay=0.1), toy, 0.5, exclude_norm_and_bias=exclude)
    toy.compile(optimizer, "sparse_categorical_crossentropy")
    toy.optimizer.build(toy.trainable_variables)
    toy.optimizer.apply([tf.zeros(v.shape) for v in toy.trainable_variables], toy.trainable_variables)
    factors = {"early": 0.1, "middle": 0.2, "late": 0.4, "head": 0.8}
    for part, layers in layers_by_part(toy).items():
        for variable in (variable for layer in layers for variable in layer.trainable_variables):
            decay = 0.0 if exclude and len(variable.shape) == 1 else 0.1
            expected = before[variable.path] * (1 - factors[part] * decay)
            assert np.allclose(variable.numpy(), expected, atol=1e-6), variable.path


def test_it_saves_and_loads_with_the_model(toy, tmp_path):
    toy.compile(kt.layerwise("adam", toy, 0.5), "sparse_categorical_crossentropy")
    toy.fit(IMAGES, LABELS, epochs=2, verbose=0)
    toy.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert rates(again.optimizer) == pytest.approx(rates(toy.optimizer))
    for ours, theirs in zip(toy.optimizer.variables, again.optimizer.variables, strict=True):
        assert np.array_equal(ours, theirs), ours.path


def test_callbacks_change_each_rate(toy):
    toy.compile(kt.layerwise(optimizers.SGD(0.8, name="sgd"), toy, 0.5), "sparse_categorical_crossentropy")
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    toy.fit(IMAGES, LABELS, epochs=2, verbose=0, callbacks=[halve])
    assert rates(toy.optimizer)["sgd_head"] == pytest.approx(0.2) and rates(toy.optimizer)["sgd_late"] == pytest.approx(
        0.1
    )


SCHEDULES = [
    optimizers.schedules.CosineDecay(0.1, 10, alpha=0.1, warmup_target=0.3, warmup_steps=4),
    optimizers.schedules.CosineDecayRestarts(0.1, 4),
    optimizers.schedules.ExponentialDecay(0.1, 3, 0.5),
    optimizers.schedules.InverseTimeDecay(0.1, 3, 0.5),
    optimizers.schedules.PiecewiseConstantDecay([2, 5], [0.1, 0.01, 0.001]),
    optimizers.schedules.PolynomialDecay(0.1, 8, end_learning_rate=0.01),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_a_schedule_of_keras_is_scaled(toy, schedule):
    *_, late, head = kt.layerwise(optimizers.SGD(schedule), toy, 0.5).optimizers
    for step in range(12):
        assert float(head._learning_rate(step)) == pytest.approx(float(schedule(step)))
        assert float(late._learning_rate(step)) == pytest.approx(float(schedule(step)) / 2)


def test_stages_that_open_late_follow_the_schedule_of_all(toy):
    schedule = optimizers.schedules.PiecewiseConstantDecay([5], [0.8, 0.08])
    toy.compile(kt.layerwise(optimizers.Adam(schedule, name="adam"), toy, 0.5), "sparse_categorical_crossentropy")
    phases = (kt.Phase(2, "head", 1.0), kt.Phase(2, "all", 1.0))
    toy.fit(IMAGES, LABELS, batch_size=4, epochs=4, verbose=0, callbacks=[kt.UnfreezeSchedule(phases)])
    assert rates(toy.optimizer) == pytest.approx(
        {"adam_early": 0.01, "adam_middle": 0.02, "adam_late": 0.04, "adam_head": 0.08}
    )


def test_it_works_inside_a_loss_scale(toy):
    optimizer = kt.layerwise(optimizers.LossScaleOptimizer(optimizers.SGD(0.8), initial_scale=8.0), toy, 0.5)
    assert isinstance(optimizer, optimizers.LossScaleOptimizer) and optimizer.initial_scale == 8.0
    assert sorted(rates(optimizer.inner_optimizer).values()) == pytest.approx([0.1, 0.2, 0.4, 0.8])


def test_what_cannot_work_is_refused(toy):
    with pytest.raises(kt.InputError, match="`decay` to be a number above 0 and at most 1"):
        kt.layerwise("adam", toy, 1.5)
    with pytest.raises(kt.InputError, match="`decay` to be a number above 0"):
        kt.layerwise("adam", toy, 0)
    with pytest.raises(kt.InputError, match="clip each stage by its own norm"):
        kt.layerwise(optimizers.Adam(global_clipnorm=1.0), toy, 0.5)
    with pytest.raises(kt.InputError, match="Received: a MultiOptimizer"):
        kt.layerwise(kt.layerwise("adam", toy, 0.5), toy, 0.5)
    with pytest.raises(kt.InputError, match="a number or a schedule"):
        kt.layerwise(optimizers.Adam(lambda: 0.1), toy, 0.5)
    with pytest.raises(kt.InputError, match="made by keras_transfer"):
        kt.layerwise("adam", keras.Sequential([keras.layers.Dense(1)]), 0.5)
