"""Variables that join and leave an optimizer: after the fit, after an interrupt, in optimizers of the user's own."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow, toy_backbone
from test_unfreezing import IMAGES, LABELS, FirstStep, multi

import keras_transfer as kt
from keras_transfer._keras.joining import _restore, _settle, open_variables

LOSS = "sparse_categorical_crossentropy"
optimizers = keras.optimizers


def lively(**options):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32, **options)
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(size=kernel.shape, scale=0.01))
    return model


def fit(model, epochs, *callbacks, **options):
    return model.fit(IMAGES, LABELS, batch_size=4, epochs=epochs, verbose=0, callbacks=list(callbacks), **options)


@pytest.mark.parametrize(
    "make", [optimizers.Adam, optimizers.AdamW, optimizers.RMSprop], ids=lambda kind: kind.__name__
)
def test_training_on_after_the_fit_takes_steps_of_the_same_size(make):
    """One variable makes 106 steps and another its last six, both along a gradient that does not change."""
    early, late = keras.Variable(np.zeros(1)), keras.Variable(np.zeros(1))
    optimizer = make(1e-3)
    optimizer.build([early, late])
    gradient = tf.constant([0.3])
    open_variables(optimizer, {}, [early])
    for _ in range(100):
        optimizer.apply([gradient], [early])
    open_variables(optimizer, {id(late): 100}, [early, late])
    moved = []
    for step in range(8):
        if step == 6:  # the fit ends, and Keras counts 106 steps for both from now on
            _restore(optimizer)
            _settle(optimizer)
        before = late.numpy()
        optimizer.apply([gradient, gradient], [early, late])
        moved.append(float(np.abs(late.numpy() - before)[0]) / 1e-3)
    assert moved == pytest.approx([1.0] * 8, rel=1e-3)


def test_a_centred_rmsprop_starts_gently_too():
    model = lively()
    model.compile(optimizers.RMSprop(centered=True), LOSS)
    watch = FirstStep(2)
    fit(model, 3, kt.UnfreezeSchedule((kt.Phase(2, "head", 1e-3), kt.Phase(1, 1, 1e-3))), watch)
    assert watch.steps[0] <= 1.001


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        raise KeyboardInterrupt


@pytest.mark.parametrize("ending", mostly_slow(["interrupted", "compiled again"]))
def test_an_optimizer_that_ran_under_a_schedule_before_knows_what_it_has_trained(ending):
    optimizer = optimizers.Adam(beta_1=0.5)
    model = lively()
    model.compile(optimizer, LOSS)
    head = kt.UnfreezeSchedule((kt.Phase(20, "head", 1e-3),))
    if ending == "interrupted":
        stop = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: epoch == 18 and Interrupt().on_epoch_end(epoch)
        )
        with pytest.raises(KeyboardInterrupt):
            fit(model, 20, head, stop)
    else:
        fit(model, 20, head)
        model.compile(model.optimizer, LOSS)
    watch = FirstStep(1)
    fit(model, 2, kt.UnfreezeSchedule((kt.Phase(1, "head", 1e-3), kt.Phase(1, 1, 1e-3))), watch)
    assert max(watch.steps) <= 1.5
    assert not [v for v in model.optimizer.variables if "progress" in v.path], "nothing of ours is left in it"
    assert not [v for v in optimizer.variables if "progress" in v.path] or ending == "interrupted"


def test_averages_start_from_the_weights_where_the_optimizer_was_built_for_others(toy):
    kt.set_trainable(toy, "head")
    toy.compile(optimizers.SGD(0.0, use_ema=True), LOSS)
    fit(toy, 1)
    before = toy.get_weights()
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "all", 1e-12),)))
    for old, new in zip(before, toy.get_weights(), strict=True):
        assert np.allclose(old, new, atol=1e-6)


def test_variables_excluded_from_weight_decay_stay_excluded(toy):
    optimizer = optimizers.AdamW(1e-3, weight_decay=100.0)
    optimizer.exclude_from_weight_decay(var_names=["kernel", "bias", "gamma", "beta"])
    before = toy.get_layer("third").kernel.numpy()
    kt.set_trainable(toy, "head")
    toy.compile(optimizer, LOSS)
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "all", 1e-3),)))
    assert np.abs(toy.get_layer("third").kernel.numpy() - before).max() < 0.02


@keras.saving.register_keras_serializable("tests")
class Block(keras.layers.Layer):
    """A layer whose parts have names that Keras makes up anew with every build."""

    def __init__(self, **options):
        super().__init__(**options)
        self.first, self.second = keras.layers.Dense(4), keras.layers.Dense(4)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((*shape[:-1], 4))

    def call(self, inputs):
        return self.second(self.first(inputs))

    def get_config(self):
        return {"name": self.name}


def composite():
    images = keras.Input((None, None, 3))
    network = keras.Model(images, Block(name="two")(Block(name="one")(images)))
    return kt.build_model(kt.Backbone(network, None, 32, stages=(("s1", "one"), ("s2", ""))), 3, image_size=32)


@pytest.mark.parametrize("how", mostly_slow(["layerwise", "phases", "map", "excluding", "function"], fast=3))
def test_rates_by_stage_survive_saving_with_composite_layers(how, tmp_path):
    model = composite()
    phases = (kt.Phase(1, "all", 0.1, layer_decay=0.5 if how == "phases" else 1.0),)
    backbone, head = optimizers.SGD(0.01, momentum=0.9, name="body"), optimizers.Adam(0.1, name="head")
    made = {
        "layerwise": lambda: kt.layerwise("adam", model, 0.5),
        "excluding": lambda: kt.layerwise("adamw", model, 0.5, exclude_norm_and_bias=True),
        "phases": lambda: "adam",
        "map": lambda: optimizers.MultiOptimizer(optimizers.OptimizerMap(head, {"(one|two)/.*": backbone})),
        "function": lambda: optimizers.MultiOptimizer(lambda v: backbone if v.path[:3] in ("one", "two") else head),
    }
    model.compile(made[how](), LOSS)
    fit(model, 1, kt.UnfreezeSchedule(phases))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    counts = [[len(leaf._trainable_variables) for leaf in each.optimizer.optimizers] for each in (model, again)]
    assert counts[0] == counts[1] and sum(map(bool, counts[0])) >= 2
    for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert np.array_equal(ours, theirs), ours.path


def test_a_multi_optimizer_of_another_model_is_refused(toy):
    other = kt.layerwise("sgd", composite(), 0.5)
    toy.compile(other, LOSS)
    with pytest.raises(kt.InputError, match="Was it made for another model"):
        fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, 1, 0.1),)))


def test_an_optimizer_class_of_ones_own_keeps_its_settings_or_is_refused(toy):
    class Strong(optimizers.SGD):
        def __init__(self, boost=2.0, **options):
            super().__init__(**options)
            self.boost = boost

    toy.compile(Strong(boost=5.0), LOSS)
    kt.set_trainable(toy, "head")
    with pytest.raises(kt.InputError, match="Strong without get_config"):
        fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, 1, 0.1),)))
    Strong.get_config = lambda self: {**optimizers.SGD.get_config(self), "boost": self.boost}
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, 1, 0.1),)))
    assert toy.optimizer.boost == 5.0


class Halving(optimizers.schedules.LearningRateSchedule):
    """A schedule without a config, as tutorials write them."""

    def __call__(self, step):
        return 0.1 * 0.5 ** tf.cast(step, tf.float32)


@pytest.mark.parametrize("rate", [Halving(), lambda: 0.25], ids=["schedule", "function"])
def test_rates_without_a_config_are_left_alone(toy, rate):
    toy.compile(optimizers.SGD(rate), LOSS)
    fit(toy, 2, kt.UnfreezeSchedule((kt.Phase(1, "head", 1e-3), kt.Phase(1, 1, 1e-3))))
    assert toy.optimizer._learning_rate is rate and int(toy.optimizer.iterations) == 12


def test_where_the_head_follows_a_schedule_other_rates_are_left_alone(toy):
    body, head = optimizers.SGD(0.002), optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 100))
    toy.compile(optimizers.MultiOptimizer(optimizers.OptimizerMap(head, {"(first|second|third)/.*": body})), LOSS)
    fit(toy, 2, kt.UnfreezeSchedule((kt.Phase(1, "head", 1e-2), kt.Phase(1, "all", 1e-3))))
    assert float(toy.optimizer.optimizers[0].learning_rate) == pytest.approx(0.002)


def test_a_rate_of_zero_does_not_stick(toy):
    toy.compile(optimizers.SGD(0.0), LOSS)
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "head", 0.5),)))
    assert float(toy.optimizer.learning_rate) == 0.5


def test_layer_decay_keeps_the_state_and_ends_with_its_phases(toy):
    toy.compile("adam", LOSS)
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "all", 0.1),)))
    momentum = toy.optimizer._momentums[0].numpy()
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "all", 1e-30, layer_decay=0.5),)), steps_per_epoch=1)
    assert int(toy.optimizer.iterations) == 7 and np.any(momentum)
    fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "all", 0.1),)))
    assert [float(leaf.learning_rate) for leaf in toy.optimizer.optimizers] == pytest.approx([0.1] * 4)


def test_evaluate_and_predict_may_get_the_same_callbacks(toy):
    unfreeze = kt.UnfreezeSchedule((kt.Phase(1, "head", 0.1),))
    toy.compile("sgd", LOSS)
    fit(toy, 1, unfreeze)
    toy.evaluate(IMAGES, LABELS, callbacks=[unfreeze], verbose=0)
    toy.predict(IMAGES, callbacks=[unfreeze], verbose=0)
    assert len(toy.trainable_variables) == 2 and unfreeze.began == [0]


def test_rates_of_several_optimizers_are_those_of_a_first_fit(toy):
    toy.compile(multi(), LOSS)
    for _ in range(2):
        fit(toy, 1, kt.UnfreezeSchedule((kt.Phase(1, "head", 0.01),)))
        assert [float(leaf.learning_rate) for leaf in toy.optimizer.optimizers] == pytest.approx([1e-3, 1e-2])


def test_what_would_go_wrong_in_silence_is_refused_or_said(toy):
    toy.compile("sgd", LOSS)
    batches = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(4).filter(lambda *_: True)
    with pytest.raises(kt.InputError, match="whose number of batches is known"):
        toy.fit(
            batches,
            verbose=0,
            shuffle=False,
            callbacks=[kt.UnfreezeSchedule((kt.Phase(1, "head", 0.1),), rate="one_cycle")],
        )
    with pytest.raises(kt.InputError, match="Expected no `epochs`"):
        kt.UnfreezeSchedule((kt.Phase(1, "head", 0.1),), epochs=50)
    with pytest.raises(kt.InputError, match="without restore_best_weights"):
        best = keras.callbacks.EarlyStopping("loss", restore_best_weights=True)
        kt.UnfreezeSchedule((kt.Phase(1, "head", 0.1),), monitor=best)
    with pytest.warns(kt.DataWarning, match="has 20 epochs and fit 1: its last phases are not reached"):
        fit(toy, 1, kt.UnfreezeSchedule("gradual", epochs=20, learning_rate=0.1))
    with pytest.warns(kt.DataWarning, match="`fit` never logged 'val_loss'"):
        fit(toy, 1, kt.UnfreezeSchedule("gradual", epochs=20, learning_rate=0.1, monitor="val_loss"))
    last_but_one = lambda epochs, rate, stages: (kt.Phase(epochs, stages[-2], rate),)  # noqa: E731
    fit(toy, 1, kt.UnfreezeSchedule(last_but_one, epochs=1, learning_rate=0.1))
    with pytest.raises(kt.InputError, match="a function that gives one"):
        fit(toy, 1, kt.UnfreezeSchedule(lambda *_: [], epochs=1, learning_rate=0.1))


def test_backup_before_the_schedule_is_refused(toy, tmp_path):
    (tmp_path / "training_metadata.json").write_text('{"epoch": 1, "batch": 0}')
    backup = keras.callbacks.BackupAndRestore(tmp_path)
    toy.compile("sgd", LOSS)
    with pytest.raises(kt.InputError, match="UnfreezeSchedule before BackupAndRestore"):
        fit(toy, 2, backup, kt.UnfreezeSchedule((kt.Phase(2, "head", 0.1),)))
