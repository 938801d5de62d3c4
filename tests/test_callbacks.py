"""UnfreezeSchedule: phases inside one fit."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
from conftest import mostly_slow, toy_network

import keras_transfer as kt
from keras_transfer._keras.leaves import leaves
from keras_transfer._keras.refitting import fit_optimizer

PHASES = (kt.Phase(2, "head", 1e-2), kt.Phase(2, 1, 1e-3), kt.Phase(2, "all", 1e-4))
OPEN = ({"logits"}, {"logits", "third"}, {"logits", "third", "second", "first"})


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


class Watch(keras.callbacks.Callback):
    """Notes after each epoch which layers moved and at which rate."""

    def __init__(self):
        super().__init__()
        self.moved, self.rates = [], []

    def on_train_begin(self, logs=None):
        self.old = self._values()

    def on_epoch_end(self, epoch, logs=None):
        new = self._values()
        self.moved.append({path.split("/")[0] for path in new if not np.array_equal(new[path], self.old[path])})
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.old = new

    def _values(self):
        return {variable.path: variable.numpy() for variable in self.model.variables if "seed" not in variable.path}


def test_stages_open_when_their_phase_begins_and_not_before(toy, data):
    """With Adam; test_unfreezing runs every optimizer."""
    watch = Watch()
    toy.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = toy.fit(data.train, epochs=6, verbose=0, shuffle=False, callbacks=[kt.UnfreezeSchedule(PHASES), watch])
    assert watch.moved == [OPEN[0]] * 2 + [OPEN[1]] * 2 + [OPEN[2]] * 2
    assert watch.rates == pytest.approx([1e-2] * 2 + [1e-3] * 2 + [1e-4] * 2)
    assert history.epoch == list(range(6)) and len(history.history["loss"]) == 6
    assert int(toy.optimizer.iterations) == 18, "one optimizer counts through all phases"


def test_it_works_where_the_user_froze_and_compiled_before(toy, data):
    watch = Watch()
    kt.set_trainable(toy, "head")
    toy.compile("adam", "sparse_categorical_crossentropy")
    toy.fit(data.train, epochs=1, verbose=0, shuffle=False)
    momentum = {variable.path: variable.numpy() for variable in toy.optimizer.variables}
    toy.fit(
        data.train,
        initial_epoch=2,
        epochs=4,
        verbose=0,
        shuffle=False,
        callbacks=[kt.UnfreezeSchedule(PHASES[:2]), watch],
    )
    assert watch.moved == [OPEN[1]] * 2, "initial_epoch finds its phase"
    assert int(toy.optimizer.iterations) == 9 and len(momentum) < len(toy.optimizer.variables)


class Remember(keras.callbacks.Callback):
    """Remembers the optimizers that ran, without keeping them alive."""

    def __init__(self):
        super().__init__()
        self.optimizers = weakref.WeakSet()

    def on_epoch_end(self, epoch, logs=None):
        self.optimizers.update([self.model.optimizer, *leaves(self.model.optimizer)])


@pytest.mark.parametrize("layer_decay", mostly_slow([0.5, 1.0]))
def test_the_optimizer_that_ran_is_let_go_of_after_training(toy, data, layer_decay):
    phases = (kt.Phase(1, "head", 1e-2), kt.Phase(1, 1, 1e-3, layer_decay))
    unfreeze, watch = kt.UnfreezeSchedule(phases), Remember()
    toy.compile("adam", "sparse_categorical_crossentropy")
    toy.fit(data.train, epochs=2, verbose=0, shuffle=False, callbacks=[unfreeze, watch])
    gc.collect()
    assert not watch.optimizers and unfreeze.began == [0, 1]
    toy.fit(data.train, epochs=2, verbose=0, shuffle=False, callbacks=[unfreeze, watch])
    assert unfreeze.began == [0, 1], "the same callback serves again"


def test_state_of_the_optimizer_is_carried_over(toy):
    kt.set_trainable(toy, "head")
    toy.compile("adam", "sparse_categorical_crossentropy")
    toy.fit(np.ones((4, 32, 32, 3)), np.zeros(4), verbose=0)
    before = {variable.path: variable.numpy() for variable in toy.optimizer.variables}
    kt.set_trainable(toy, "all")
    fit_optimizer(toy)
    after = {variable.path: variable.numpy() for variable in toy.optimizer.variables}
    assert set(before) < set(after)
    for path, value in before.items():
        assert np.array_equal(after[path], value), path


def test_the_trained_model_reloads_with_its_optimizer(toy, data, tmp_path):
    toy.compile("adam", "sparse_categorical_crossentropy")
    toy.fit(data.train, epochs=4, verbose=0, shuffle=False, callbacks=[kt.UnfreezeSchedule(PHASES[:2])])
    toy.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 12
    for ours, theirs in zip(toy.optimizer.variables, again.optimizer.variables, strict=True):
        assert np.array_equal(ours, theirs), ours.path


def test_other_callbacks_keep_their_state_through_phases(toy, data, tmp_path):
    stopping = keras.callbacks.EarlyStopping(monitor="loss", patience=50, restore_best_weights=True)
    callbacks = [kt.UnfreezeSchedule(PHASES), stopping, keras.callbacks.CSVLogger(tmp_path / "log.csv")]
    toy.compile("adam", "sparse_categorical_crossentropy")
    history = toy.fit(data.train, epochs=6, verbose=0, shuffle=False, callbacks=callbacks)
    assert stopping.best == min(history.history["loss"])
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 7


def test_a_rate_schedule_of_the_user_is_left_alone(toy, data):
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    toy.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    watch = Watch()
    toy.fit(data.train, epochs=3, verbose=0, shuffle=False, callbacks=[kt.UnfreezeSchedule(PHASES[:2]), watch])
    assert watch.rates == pytest.approx([0.01 * 0.9 ** (step / 10) for step in (3, 6, 9)])


def test_what_cannot_work_is_refused(toy, data):
    with pytest.raises(kt.InputError, match="Did you mean 'gradual'"):
        kt.UnfreezeSchedule("gradul", epochs=3, learning_rate=1e-3)
    with pytest.raises(kt.InputError, match="Expected `epochs` and `learning_rate`"):
        kt.UnfreezeSchedule("gradual")
    toy.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(kt.InputError, match="Did you mean 'late'"):
        toy.fit(data.train, verbose=0, shuffle=False, callbacks=[kt.UnfreezeSchedule((kt.Phase(1, "lat", 0.1),))])
    other = toy_network()
    model = keras.Sequential(
        [other, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(kt.InputError, match="made by keras_transfer.build_model"):
        model.fit(data.train, verbose=0, shuffle=False, callbacks=[kt.UnfreezeSchedule(PHASES)])


def test_an_optimizer_of_another_model_brings_no_state(toy, data):
    optimizer = keras.optimizers.Adam()
    other = kt.build_model(toy_network(), 3, image_size=32)
    for model in (other, toy):
        model.compile(optimizer, "sparse_categorical_crossentropy")
        model.fit(data.train, epochs=1, verbose=0, shuffle=False, callbacks=[kt.UnfreezeSchedule(PHASES[:1])])
    assert int(toy.optimizer.iterations) == 3
