"""UnfreezeSchedule with every optimizer and every option of `compile` and `fit` that the documentation lists."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow
from networks import BEGINNINGS, computing_in, make_lively, part_named, toy_backbone

import keras_transfer as kt
from keras_transfer.models.stages import layers_by_part
from keras_transfer.schedules.parts import open_parts

optimizers = keras.optimizers

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (24, 32, 32, 3)).astype("float32")
LABELS = np.arange(24) % 3
PARTS = ("first", "second", "third", "logits")
PHASES = (kt.Phase(1, "head", 1e-2), kt.Phase(1, 1, 1e-3), kt.Phase(1, "all", 1e-4))
OPEN = ({"logits"}, {"logits", "third"}, {"logits", "third", "second", "first"})


def multi(**options):
    """An optimizer for the head and another for the backbone, as a user of Keras writes it."""
    backbone = optimizers.SGD(0.002, momentum=0.9, name="backbone", **options)
    head = optimizers.Adam(0.02, name="head", **options)
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(head, {"(?!logits/).*": backbone}))


OPTIMIZERS = {
    "SGD": partial(optimizers.SGD, momentum=0.9),
    "Adam": optimizers.Adam,
    "AdamW": optimizers.AdamW,
    "RMSprop": optimizers.RMSprop,
    "Adafactor": optimizers.Adafactor,
    "Lion": optimizers.Lion,
    "MultiOptimizer": multi,
}
# what goes to the optimizer, to `compile`, to `fit`, and the dtype policy
OPTIONS = {
    "EMA": ({"use_ema": True}, {}, {}, None),
    "EMA overwriting": ({"use_ema": True, "ema_overwrite_frequency": 2}, {}, {}, None),
    "gradient accumulation": ({"gradient_accumulation_steps": 2}, {}, {}, None),
    "clipnorm": ({"clipnorm": 0.5}, {}, {}, None),
    "clipvalue": ({"clipvalue": 0.1}, {}, {}, None),
    "global_clipnorm": ({"global_clipnorm": 0.5}, {}, {}, None),
    "steps_per_execution": ({}, {"steps_per_execution": 2}, {}, None),
    "jit_compile on": ({}, {"jit_compile": True}, {}, None),
    "jit_compile off": ({}, {"jit_compile": False}, {}, None),
    "run_eagerly": ({}, {"run_eagerly": True}, {}, None),
    "class weights": ({}, {}, {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}, None),
    "sample weights": ({}, {}, {"sample_weight": np.linspace(0.5, 1.5, 24)}, None),
    "mixed_bfloat16": ({}, {}, {}, "mixed_bfloat16"),
    "mixed_float16": ({}, {}, {}, "mixed_float16"),
    "MirroredStrategy": ({}, {}, {}, None),
}
# options that change how variables are updated; others are for `make test-slow`, with each optimizer
UPDATING = (
    *("EMA", "gradient accumulation", "clipnorm", "steps_per_execution", "jit_compile on", "run_eagerly"),
    *("class weights", "mixed_bfloat16", "mixed_float16", "MirroredStrategy"),
)
EVERY = [
    *[(optimizer, None) for optimizer in OPTIMIZERS],
    *[("Adam", option) for option in UPDATING],
    *[("MultiOptimizer", option) for option in ("EMA", "gradient accumulation", "mixed_float16")],
]
CROSS = [
    pytest.param(optimizer, option, marks=pytest.mark.slow)
    for optimizer in OPTIMIZERS
    for option in OPTIONS
    if (optimizer, option) not in EVERY
]


class Watch(keras.callbacks.Callback):
    """Notes which variables moved in each epoch, and how far in each first step."""

    def on_train_begin(self, logs=None):
        self.moved = []

    def on_epoch_begin(self, epoch, logs=None):
        self.before = state(self.model)

    def on_epoch_end(self, epoch, logs=None):
        after = state(self.model)
        self.moved.append({path for path in after if not np.array_equal(after[path], self.before[path])})


def two_devices() -> tf.distribute.Strategy:
    # TensorFlow's collectives remember shapes by a number that a second strategy in one process counts again
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice())


def state(model) -> dict[str, np.ndarray]:
    return {
        variable.path: np.array(keras.ops.convert_to_numpy(variable))
        for variable in model.variables
        if "seed" not in variable.path
    }


def unfreeze_in_one_fit(build, name, option, images=IMAGES, phases=PHASES):
    """Trains through phases of an epoch in one fit. Returns the model, its first state, and what moved by epoch."""
    to_optimizer, to_compile, to_fit, policy = OPTIONS.get(option, ({}, {}, {}, None))
    strategy = two_devices() if option == "MirroredStrategy" else None
    keras.utils.set_random_seed(0)
    with computing_in(policy or "float32"):
        with strategy.scope() if strategy else nullcontext():
            model = build()
            optimizer = OPTIMIZERS[name](**to_optimizer)
            model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **to_compile)
        watch = Watch()
        at_first = state(model)
        callbacks = [kt.UnfreezeSchedule(phases), watch]
        labels = LABELS[: len(images)]
        if "sample_weight" in to_fit:
            to_fit = {"sample_weight": to_fit["sample_weight"][: len(images)]}
        history = model.fit(images, labels, epochs=len(phases), batch_size=4, verbose=0, callbacks=callbacks, **to_fit)
    assert history.epoch == list(range(len(phases))) and np.isfinite(history.history["loss"]).all()
    return model, at_first, watch.moved


@pytest.mark.parametrize(("name", "option"), [*EVERY, *CROSS])
def test_frozen_means_still_and_open_means_learning(name, option, tmp_path):
    """In three phases with each optimizer; with an option from the head to all, for the time of a phase."""
    phases, opened = (PHASES, OPEN) if option is None else (PHASES[::2], OPEN[::2])
    model, at_first, moved = unfreeze_in_one_fit(
        lambda: kt.build_model(toy_backbone(), 3, image_size=32), name, option, phases=phases
    )
    for paths, expected in zip(moved, opened, strict=True):
        assert {path.split("/")[0] for path in paths} == expected
    for path, value in state(model).items():
        if "_bn/" in path:
            assert np.array_equal(value, at_first[path]), f"{path} is BatchNorm of the backbone"
    if option in (None, "EMA", "gradient accumulation", "mixed_float16", "mixed_bfloat16"):
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        for ours, theirs in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
            assert np.array_equal(ours, theirs), ours.path


NETWORKS = {
    "ResNet50": ("AdamW", "clipnorm"),
    "VGG16": ("SGD", None),
    "InceptionV3": ("RMSprop", None),
    "MobileNetV2": ("Adam", "EMA"),
    "EfficientNetB0": ("Lion", "gradient accumulation"),
}
QUICK = ("MobileNetV2",)
SHORT = {name.partition(" up to ")[0]: name for name in BEGINNINGS}
WITH = [*[(name, None) for name in OPTIMIZERS], *[("Adam", option) for option in OPTIONS]]
NETWORKS_TOO = [
    pytest.param(network, optimizer, option, marks=pytest.mark.slow)
    for network in NETWORKS
    for optimizer, option in dict.fromkeys([*WITH, NETWORKS[network]])
    if option not in ("jit_compile on", "mixed_float16")  # minutes each on a CPU; random weights overflow float16
    and not (network in ("ResNet50", "InceptionV3") and optimizer == "Adafactor")  # NaN in plain Keras too
    and (network in SHORT or (optimizer, option) != NETWORKS[network])
]


@pytest.mark.parametrize(
    ("network", "name", "option"),
    [
        *[
            pytest.param(SHORT.get(name, name), *how, marks=() if name in QUICK else pytest.mark.slow)
            for name, how in NETWORKS.items()
        ],
        *NETWORKS_TOO,
    ],
)
def test_frozen_means_still_in_real_networks(network, name, option):
    part = part_named(network)
    size = max(32, part.min_image_size)
    images = RNG.uniform(0, 255, (8, size, size, 3)).astype("float32")

    def build():
        inside = part.build(None, (size, size), None)
        make_lively(inside, part, images)
        return kt.build_model(replace(part, network=inside), 3, image_size=size)

    model, at_first, moved = unfreeze_in_one_fit(build, name, option, images, PHASES)
    part_of = {
        variable.path: part
        for part, layers in layers_by_part(model).items()
        for layer in layers
        for variable in layer.weights
    }
    opened = [set(open_parts(kt.stages(model), phase.unfrozen)) for phase in PHASES]
    for paths, parts in zip(moved, opened, strict=True):
        learning = {part_of[variable.path] for variable in model.trainable_variables} & parts
        assert {part_of[path] for path in paths} == learning
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for weight in (weight for layer in norms for weight in layer.weights):
        assert np.array_equal(np.array(weight), at_first[weight.path]), weight.path


class FirstStep(keras.callbacks.Callback):
    """Notes how far variables of the stage "late" move in the first steps after it opens, in learning rates."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch, self.steps, self.gradients = epoch, [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch == self.epoch
        self.weights = [self.model.get_layer("third").kernel, self.model.get_layer("third").bias]
        self.before = [np.array(weight) for weight in self.weights]

    def on_train_batch_end(self, batch, logs=None):
        if self.now:
            leaf = self.model.optimizer
            leaf = getattr(leaf, "inner_optimizer", leaf)
            leaf = leaf.optimizers[0] if hasattr(leaf, "optimizers") else leaf
            rate = float(leaf.learning_rate)
            after = [np.array(weight) for weight in self.weights]
            self.steps.append(max(np.abs(new - old).max() for new, old in zip(after, self.before, strict=True)) / rate)
            self.before = after


LATE = (kt.Phase(4, "head", 1e-3), kt.Phase(3, 1, 1e-3))


def first_steps(optimizer, phases=LATE):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    model.get_layer("logits").kernel.assign(RNG.normal(size=model.get_layer("logits").kernel.shape, scale=0.01))
    model.compile(optimizer, "sparse_categorical_crossentropy")
    watch = FirstStep(phases[0].epochs)
    callbacks = [kt.UnfreezeSchedule(phases), watch]
    model.fit(IMAGES, LABELS, epochs=phases[0].epochs + 3, batch_size=4, verbose=0, callbacks=callbacks)
    return watch.steps


@pytest.mark.parametrize(
    "name", mostly_slow(sorted(OPTIMIZERS, key=lambda name: name not in ("Adam", "SGD", "MultiOptimizer")), fast=3)
)
def test_a_late_joiner_starts_gently(name):
    steps = first_steps(OPTIMIZERS[name]())
    print(name, np.round(steps, 3))
    assert 0 < steps[0] <= 1.001, (
        "the learning rate allows one rate a step (times the gradient for SGD, which is small)"
    )
    assert max(steps) <= 2, "where a shared clock gives Adam 3.2, 4.2, 4.9 and so on up to 6.5"


@pytest.mark.slow
def test_the_measure_sees_a_shared_clock(monkeypatch):
    phases = (kt.Phase(20, "head", 1e-3), kt.Phase(3, 1, 1e-3))
    assert first_steps(optimizers.Adam(beta_1=0.5), phases)[0] <= 1.001
    monkeypatch.setattr("keras_transfer.training.unfreezing.open_variables", lambda *_: None)
    assert first_steps(optimizers.Adam(beta_1=0.5), phases)[0] > 3, "what Keras does by itself"


def test_a_late_joiner_takes_the_steps_it_would_take_at_the_start():
    """The weights of the stage that opens late equal those of a run in which it is open from the start."""
    weights = []
    for phases in ((kt.Phase(2, "head", 1e-30), kt.Phase(2, 1, 1e-3)), (kt.Phase(2, 1, 1e-3),)):
        keras.utils.set_random_seed(0)
        model = kt.build_model(toy_backbone(), 3, image_size=32)
        model.get_layer("noise").stddev = 0.0
        model.get_layer("logits").kernel.assign(np.linspace(-0.1, 0.1, 48).reshape(16, 3))
        model.compile(optimizers.Adam(), "sparse_categorical_crossentropy")
        epochs = sum(phase.epochs for phase in phases)
        model.fit(
            IMAGES,
            LABELS,
            epochs=epochs,
            batch_size=24,
            verbose=0,
            shuffle=False,
            callbacks=[kt.UnfreezeSchedule(phases)],
        )
        weights.append(np.array(model.get_layer("third").kernel))
    assert np.allclose(*weights, atol=1e-4) and not np.array_equal(*weights)


def test_averaged_weights_of_a_late_joiner_start_from_its_weights():
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    before = np.array(model.get_layer("third").kernel)
    model.compile(optimizers.SGD(use_ema=True, ema_momentum=0.5), "sparse_categorical_crossentropy")
    phases = (kt.Phase(1, "head", 0.1), kt.Phase(1, 1, 1e-6))
    model.fit(IMAGES, LABELS, epochs=2, batch_size=4, verbose=0, callbacks=[kt.UnfreezeSchedule(phases)])
    assert np.allclose(np.array(model.get_layer("third").kernel), before, atol=1e-4)


class Metric(keras.callbacks.Callback):
    """Writes a loss by hand."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["loss"] = self.values[epoch]


def test_stages_open_on_a_plateau(toy):
    watch = Watch()
    values = [5, 4, 4, 4, 3, 3, 3, 3, 3]  # better at 0, 1 and 4
    unfreeze = kt.UnfreezeSchedule(PHASES, monitor="loss")
    toy.compile("sgd", "sparse_categorical_crossentropy")
    toy.fit(IMAGES, LABELS, epochs=9, verbose=0, callbacks=[Metric(values), unfreeze, watch])
    assert unfreeze.began == [0, 4, 7]
    assert [len({path.split("/")[0] for path in moved}) for moved in watch.moved] == [1] * 4 + [2] * 3 + [4] * 2
    patient = kt.UnfreezeSchedule(PHASES, monitor=keras.callbacks.EarlyStopping("loss", patience=3, mode="max"))
    toy.compile("sgd", "sparse_categorical_crossentropy")
    toy.fit(IMAGES, LABELS, epochs=9, verbose=0, callbacks=[Metric(values), patient])
    assert patient.began == [0, 4, 8]
    with pytest.raises(kt.InputError, match=r"Expected `monitor` to be one of \['loss'\]"):
        toy.fit(IMAGES, LABELS, verbose=0, callbacks=[kt.UnfreezeSchedule(PHASES, monitor="los")])
    with pytest.raises(kt.InputError, match="the length of a phase is not known"):
        kt.UnfreezeSchedule(PHASES, monitor="loss", rate="one_cycle")


class Rates(keras.callbacks.Callback):
    """Notes the rate of each step, and of each optimizer if there are several."""

    def on_train_begin(self, logs=None):
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        several = getattr(self.model.optimizer, "optimizers", [self.model.optimizer])
        self.rates.append([float(each.learning_rate) for each in several])


def fit_and_note(model, epochs, *callbacks, optimizer="sgd"):
    rates = Rates()
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.fit(IMAGES, LABELS, epochs=epochs, batch_size=6, verbose=0, callbacks=[*callbacks, rates])
    return np.array(rates.rates)


@pytest.mark.parametrize("name", kt.available("rate"))
def test_the_rate_moves_within_each_phase(toy, name):
    phases = (kt.Phase(2, "head", 0.1), kt.Phase(1, 1, 0.01))
    rates = fit_and_note(toy, 3, kt.UnfreezeSchedule(phases, rate=name))[:, 0]
    factor = kt.rates.RATES.find(name)
    expected = [0.1 * factor(step / 8) for step in range(8)] + [0.01 * factor(step / 4) for step in range(4)]
    assert rates == pytest.approx(expected, rel=1e-5)


def test_the_rate_can_be_left_to_another_callback(toy):
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    rates = fit_and_note(toy, 3, scheduler, kt.UnfreezeSchedule(PHASES, rate=None))[::4, 0]
    assert rates == pytest.approx([0.5, 0.25, 0.5 / 3])
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1)
    phases = (kt.Phase(3, "head", 0.1), kt.Phase(1, 1, 0.01))
    rates = fit_and_note(toy, 4, Metric([1, 1, 1, 1]), plateau, kt.UnfreezeSchedule(phases))[::4, 0]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01], rel=1e-5)


def test_phases_may_slow_each_stage(toy):
    phases = (kt.Phase(1, "head", 0.1), kt.Phase(1, "all", 0.01, layer_decay=0.5))
    rates = fit_and_note(toy, 2, kt.UnfreezeSchedule(phases))[::4]
    assert rates == pytest.approx(np.array([[0.1] * 4, [0.00125, 0.0025, 0.005, 0.01]]))
    again = fit_and_note(toy, 2, kt.UnfreezeSchedule(phases), optimizer=toy.optimizer)[::4]
    assert again == pytest.approx(rates), "an optimizer that has a rate for each stage already"
    with pytest.raises(kt.InputError, match="Expected an optimizer for each stage"):
        fit_and_note(toy, 2, kt.UnfreezeSchedule(phases), optimizer=multi())
    with pytest.raises(kt.InputError, match="Expected a learning rate that is a number"):
        decaying = optimizers.SGD(optimizers.schedules.CosineDecay(0.1, 10))
        fit_and_note(toy, 2, kt.UnfreezeSchedule(phases), optimizer=decaying)


def test_the_rates_of_a_multi_optimizer_keep_their_ratio(toy):
    rates = fit_and_note(toy, 3, kt.UnfreezeSchedule(PHASES), optimizer=multi())[::4]
    assert rates == pytest.approx(np.array([[1e-3, 1e-2], [1e-4, 1e-3], [1e-5, 1e-4]]))


def test_parts_can_be_opened_one_by_one(toy):
    watch = Watch()
    phases = (kt.Phase(1, ("early",), 0.1), kt.Phase(1, ("head", "middle"), 0.1), kt.Phase(1, ("early",), 0.1))
    toy.get_layer("logits").kernel.assign(RNG.normal(size=(16, 3)))
    toy.compile("adam", "sparse_categorical_crossentropy")
    toy.fit(IMAGES, LABELS, epochs=3, verbose=0, callbacks=[kt.UnfreezeSchedule(phases), watch])
    expected = [{"first"}, {"second", "logits"}, {"first"}]
    assert [{path.split("/")[0] for path in moved} for moved in watch.moved] == expected
