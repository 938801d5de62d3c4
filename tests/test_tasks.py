"""Tasks: registering one enrols it here. Each trains, is judged, exported and compared by what it says itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.tasks import TASKS, Report, standardised, task_of_activation, task_of_labels, task_of_model

COUNT, OUTPUTS = 24, 3
NAMES = ("blue", "green", "red")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, 32, 32, 3)).astype("uint8")
LABELS = {  # labels of each task, as a user may have them; a new task needs a row
    "classification": np.arange(COUNT, dtype="int32") % OUTPUTS,
    "several_labels": RNG.integers(0, 2, (COUNT, OUTPUTS)).astype(bool),
    "regression": RNG.normal(size=(COUNT, OUTPUTS)),
}


@pytest.fixture(params=TASKS.names())
def task(request):
    return TASKS.find(request.param)


@pytest.fixture
def labels(task):
    return standardised(LABELS[task.name], COUNT)


def outputs_of(task, labels: np.ndarray) -> np.ndarray:
    """Returns outputs that are right for the labels, in float32."""
    hot = np.eye(OUTPUTS)[labels] if labels.ndim == 1 else labels
    return (hot if task.activation == "linear" else 0.98 * hot + 0.01).astype("float32")


def test_a_task_says_what_it_is(task):
    for word in (task.name, task.activation, task.output, task.described, task.form, task.said_of_labels):
        assert isinstance(word, str) and word
    assert task_of_activation(task.activation) is task and callable(keras.activations.get(task.activation))


def test_labels_name_their_task_and_no_other(task, labels):
    assert task_of_labels(labels) is task and task_of_labels(LABELS[task.name]) is task
    assert [other.name for other in map(TASKS.find, TASKS.names()) if other.has_form(labels)] == [task.name]
    assert np.array_equal(standardised(labels, COUNT), labels)
    with pytest.raises(kt.DataError, match="Expected `labels`"):
        standardised(labels, COUNT + 1)


def test_labels_are_counted_and_said_in_words(task, labels):
    counts = task.counts(labels, NAMES)
    assert all(isinstance(count, int) for count in counts.values()) and sum(counts.values()) > 0
    assert all(isinstance(word, str) for word in task.in_words(labels[0], NAMES))
    strata, weights = task.strata(labels), task.balanced_weights(labels)
    assert strata is None or strata.shape == (COUNT,)
    assert weights is None or set(weights) == set(range(OUTPUTS))


def test_a_model_of_the_task_trains_with_its_loss_and_metrics(task, labels, tmp_path):
    keras.utils.set_random_seed(0)
    data = kt.data.from_arrays(IMAGES, LABELS[task.name], class_names=NAMES)
    model = kt.build_model(toy_backbone(), OUTPUTS, image_size=32, activation=task.activation)
    assert task_of_model(model) is task is data.task
    history = kt.fine_tune(model, data, schedule="feature_extraction", epochs=1, verbose=0)
    assert model.loss == task.loss(data.train.element_spec[1])
    assert {*task.metrics, "loss"} <= set(history.history)


def test_labels_of_other_tasks_are_refused(task):
    model = kt.build_model(toy_backbone(), OUTPUTS, image_size=32, activation=task.activation)
    for other, labels in LABELS.items():
        if other != task.name:
            with pytest.raises(kt.InputError, match=f"Received: activation='{task.activation}'"):
                kt.fine_tune(model, kt.data.from_arrays(IMAGES, labels, class_names=NAMES), epochs=1, verbose=0)


def test_a_report_of_right_outputs_is_perfect(task, labels):
    if not task.reports:
        with pytest.raises(kt.InputError, match="model.evaluate"):
            task.report(outputs_of(task, labels), labels, NAMES)
        return
    report = task.report(outputs_of(task, labels), labels, NAMES)
    assert isinstance(report, Report) and report.metrics["accuracy"] == 1.0 and report.images == COUNT
    counts = task.counts(labels, NAMES)
    for index, name in enumerate(NAMES):
        assert report.tally(index) == (counts[name],) * 3
    worse = task.report(1 - outputs_of(task, labels), labels, NAMES)
    assert worse.metrics["accuracy"] < 0.5 and worse.metrics["loss"] > report.metrics["loss"]


def test_an_export_answers_what_the_task_says_in_a_graph_too(task, labels):
    outputs = outputs_of(task, labels)
    answer = task.answer(tf.constant(outputs), tf.constant(NAMES))
    traced = tf.function(task.answer)(tf.constant(outputs), tf.constant(NAMES))
    assert list(answer) == list(traced) and np.array_equal(answer[task.output], outputs)
    assert all(len(value) == COUNT for value in answer.values())
    for row in outputs:
        assert set(task.found(row, NAMES)) <= set(NAMES)


def test_equal_outputs_agree_and_others_do_not(task, labels):
    outputs = outputs_of(task, labels)
    same = task.differences(outputs, outputs)
    assert same.shape == outputs.shape and task.mean_difference(same) == same.max() == 0
    moved = task.differences(outputs[::-1] + 0.5, outputs)
    assert task.mean_difference(moved) > 0
    for judge, against in ((task.agreement, outputs), (task.accuracy, labels)):
        perfect = judge(outputs, against)
        assert perfect is None or (perfect == 1.0 and judge(1 - outputs, against) < 0.5)


def test_labels_that_are_cut_to_whole_numbers_are_refused():
    outputs = np.full((2, 2), 0.5)
    with pytest.raises(kt.DataError, match="whole numbers from 0 to 1"):
        TASKS.find("classification").report(outputs, np.array([0.9, 1.4]), ("a", "b"))
    assert TASKS.find("classification").report(outputs, np.array([0.0, 1.0]), ("a", "b")).images == 2
