"""fine_tune: one call from data to a trained model."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone, write_pictures

import keras_transfer as kt


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


def test_it_learns_and_tells_one_history(trained, data):
    model, history = trained
    assert isinstance(history, keras.callbacks.History)
    assert history.epoch == list(range(8)) and history.boundaries == [4, 6, 7]
    assert model.evaluate(data.validation, verbose=0)[1] == 1.0


def test_it_ends_with_the_weights_of_its_best_epoch(trained, data):
    model, history = trained
    assert model.evaluate(data.validation, verbose=0)[0] == pytest.approx(min(history.history["val_loss"]), rel=1e-4)


def test_the_same_seed_gives_the_same_weights(arrays):
    weights = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        data = dataclasses.replace(arrays, augment="light", seed=1)
        data.start_epoch(0)
        model = kt.build_model(toy_backbone(), 3, image_size=32)
        kt.fine_tune(model, data, epochs=3, verbose=0)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        assert np.allclose(first, second, atol=1e-6)


def test_it_gives_what_the_callback_gives_in_a_script(data):
    phases = (kt.Phase(1, "head", 1e-2), kt.Phase(2, 2, 1e-3))
    weights = []
    for by_hand in (False, True):
        keras.utils.set_random_seed(2)
        model = kt.build_model(toy_backbone(), 3, image_size=32)
        if by_hand:
            data.start_epoch(0)
            model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
            best = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
            model.fit(
                data.train,
                validation_data=data.validation,
                epochs=3,
                shuffle=False,
                verbose=0,
                callbacks=[kt.UnfreezeSchedule(phases), best],
            )
        else:
            kt.fine_tune(model, data, schedule=phases, verbose=0)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        assert np.allclose(first, second, atol=1e-6)


def test_patience_stops_early(toy, data):
    history = kt.fine_tune(
        toy, data, schedule="feature_extraction", epochs=30, learning_rate=1e-20, patience=1, verbose=0
    )
    assert len(history.epoch) == 2, "nothing changes, so the second epoch is no better"


def test_uneven_classes_are_weighed_and_that_is_said(tmp_path, capsys):
    write_pictures(tmp_path, per_class=14, classes=("red",))
    write_pictures(tmp_path, per_class=4, classes=("blue",))
    data = kt.data.from_directory(tmp_path, image_size=32)
    for class_weight, said in (("auto", True), (None, False), ({0: 1.0, 1: 1.0}, False)):
        model = kt.build_model(toy_backbone(), 2, image_size=32)
        kt.fine_tune(model, data, schedule="feature_extraction", epochs=1, class_weight=class_weight, verbose=2)
        assert ("weigh the same" in capsys.readouterr().out) == said


def test_several_labels_an_image_are_learnt_with_sigmoid():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 2))
    images = (40 + rng.integers(0, 20, (60, 32, 32, 3))).astype("uint8")
    images[..., 0] += (150 * labels[:, :1, None]).astype("uint8")
    images[..., 2] += (150 * labels[:, 1:, None]).astype("uint8")
    data = kt.data.from_arrays(images, labels, class_names=["red", "blue"], batch_size=8)
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 2, image_size=32, activation="sigmoid")
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=15, learning_rate=0.1, verbose=0)
    report = kt.evaluate(model, data.validation, class_names=data.class_names)
    assert report.metrics["accuracy"] >= 0.9 and report.confusion.shape == (2, 2, 2)
    with pytest.raises(kt.InputError, match="activation='sigmoid' for several labels"):
        kt.fine_tune(kt.build_model(toy_backbone(), 2, image_size=32), data)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_an_activation_that_does_not_fit_the_labels_is_refused(data, activation):
    model = kt.build_model(toy_backbone(), 3, image_size=32, activation=activation)
    with pytest.raises(kt.InputError, match="Expected activation='softmax' for one class"):
        kt.fine_tune(model, data)


def test_regression_is_learnt_with_a_linear_activation():
    rng = np.random.default_rng(0)
    targets = rng.uniform(0, 1, 48)
    images = (rng.integers(0, 30, (48, 32, 32, 3)) + 200 * targets[:, None, None, None]).astype("uint8")
    data = kt.data.from_arrays(images, targets, class_names=["brightness"], batch_size=8)
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 1, image_size=32, activation="linear")
    history = kt.fine_tune(model, data, schedule="feature_extraction", epochs=25, learning_rate=0.03, verbose=0).history
    assert min(history["val_mean_absolute_error"]) < 0.1 < history["mean_absolute_error"][0]
    assert "40 images: all 40" in repr(data) and len(data.show(4).axes) == 4
    assert kt.evaluate(model, data.validation).metrics["mae"] == pytest.approx(
        min(history["val_mean_absolute_error"]), abs=0.02
    )


def test_plot_marks_the_phases(trained):
    _, history = trained
    figure = kt.plot_history(history.history, history.boundaries)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["accuracy", "loss"]
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [4.5, 6.5, 7.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "gradul"}, "Did you mean 'gradual'"),
        ({"epochs": 0}, "`epochs`"),
        ({"patience": 0}, "`patience`"),
        ({"class_weight": "evenly"}, "Did you mean 'balanced'|'auto', 'balanced'"),
        ({"schedule": (kt.Phase(1, "head", 0.1),), "epochs": 3}, "Expected no `epochs`"),
    ],
)
def test_wrong_options_are_refused(toy, data, options, message):
    with pytest.raises(kt.InputError, match=message):
        kt.fine_tune(toy, data, verbose=0, **options)


def test_model_and_data_must_fit(toy, data, pictures):
    with pytest.raises(kt.InputError, match="`data` from kt.data"):
        kt.fine_tune(toy, data.train)
    with pytest.raises(kt.InputError, match="3 outputs"):
        kt.fine_tune(kt.build_model(toy_backbone(), 2, image_size=32), data)
    with pytest.raises(kt.InputError, match=r"size \(40, 40\)"):
        kt.fine_tune(kt.build_model(toy_backbone(), 3, image_size=40), data)


def test_several_machines_are_refused_with_the_reason(toy, data, monkeypatch):
    strategy = object.__new__(tf.distribute.MultiWorkerMirroredStrategy)
    monkeypatch.setattr(type(toy), "distribute_strategy", strategy, raising=False)
    with pytest.raises(kt.InputError, match="MultiWorkerMirroredStrategy.*20585"):
        kt.fine_tune(toy, data, epochs=1, verbose=0)
