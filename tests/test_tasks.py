"""Tasks: registering one enrols it here. Each trains, is judged, exported and compared by what it says itself."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer.tasks import TASKS, Report, standardised, task_of_labels, task_of_model

COUNT, OUTPUTS = 24, 3
NAMES = ("blue", "green", "red")
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (COUNT, 32, 32, 3)).astype("uint8")
LABELS = {  # labels of each task, as a user may have them; a new task needs a row
    "classification": np.arange(COUNT, dtype="int32") % OUTPUTS,
    "several_labels": RNG.integers(0, 2, (COUNT, OUTPUTS)).astype(bool),
    "regression": RNG.normal(size=(COUNT, OUTPUTS)),
    "tagging": RNG.integers(0, OUTPUTS, (COUNT, 5, 1)),
    "segmentation": RNG.integers(0, OUTPUTS, (COUNT, 4, 5, 1)),
}
OF_IMAGES = [
    name for name in TASKS.names() if not TASKS.find(name).axes
]  # others train in test_tagging.py, test_masks.py


@pytest.fixture(params=TASKS.names())
def task(request):
    return TASKS.find(request.param)


@pytest.fixture
def labels(task):
    return task.standardised(LABELS[task.name])


def outputs_of(task, labels: np.ndarray) -> np.ndarray:
    """Returns outputs that are right for the labels, in float32."""
    numbers = labels[..., 0] if task.axes else labels
    hot = np.eye(OUTPUTS)[numbers] if task.activation == "softmax" else labels
    return (hot if task.activation == "linear" else 0.98 * hot + 0.01).astype("float32")


def test_a_task_keeps_its_contract(task, labels):
    kt.testing.check_task(task, LABELS[task.name], outputs_of(task, labels), NAMES)


def test_labels_name_their_task(task, labels):
    assert task_of_labels(labels) is task and task_of_labels(LABELS[task.name]) is task
    with pytest.raises(kt.DataError, match="Expected `labels`"):
        standardised(labels, COUNT + 1)


@pytest.mark.parametrize("task", [*map(TASKS.find, OF_IMAGES)], ids=OF_IMAGES)
def test_a_model_of_the_task_trains_with_its_loss_and_metrics(task, labels, tmp_path):
    keras.utils.set_random_seed(0)
    data = kt.data.from_arrays(IMAGES, LABELS[task.name], class_names=NAMES)
    model = kt.build_model(toy_backbone(), OUTPUTS, image_size=32, activation=task.activation)
    assert task_of_model(model) is task is data.task
    history = kt.fine_tune(model, data, schedule="feature_extraction", epochs=1, verbose=0)
    assert model.loss == task.loss(data.train.element_spec[1])
    assert {*task.metrics, "loss"} <= set(history.history)


@pytest.mark.parametrize("task", [*map(TASKS.find, OF_IMAGES)], ids=OF_IMAGES)
def test_labels_of_other_tasks_are_refused(task):
    model = kt.build_model(toy_backbone(), OUTPUTS, image_size=32, activation=task.activation)
    for other, labels in LABELS.items():
        if other in OF_IMAGES and other != task.name:
            with pytest.raises(kt.InputError, match=f"Received: activation='{task.activation}'"):
                kt.fine_tune(model, kt.data.from_arrays(IMAGES, labels, class_names=NAMES), epochs=1, verbose=0)


def test_a_report_of_right_outputs_is_perfect(task, labels):
    report = task.report(outputs_of(task, labels), labels, NAMES)
    worse = task.report(1 - outputs_of(task, labels), labels, NAMES)
    assert report.images == COUNT and worse.metrics["loss"] > report.metrics["loss"]
    if not isinstance(report, Report):
        assert report.metrics["mae"] == 0.0 and report.metrics["r2"] == 1.0 and report.counts == {"all": COUNT}
        return
    assert report.metrics["accuracy"] == 1.0 and worse.metrics["accuracy"] < 0.5
    counts = task.counts(labels, NAMES)
    assert report.counts == counts
    for index, name in enumerate(NAMES):
        assert report.tally(index) == (counts[name],) * 3


def test_wrong_outputs_disagree(task, labels):
    outputs = outputs_of(task, labels)
    for judge, against in ((task.agreement, outputs), (task.accuracy, labels)):
        wrong = judge(1 - outputs, against)
        assert wrong is None or wrong < 0.5


def test_labels_that_are_cut_to_whole_numbers_are_refused():
    outputs = np.full((2, 2), 0.5)
    with pytest.raises(kt.DataError, match="whole numbers from 0 to 1"):
        TASKS.find("classification").report(outputs, np.array([0.9, 1.4]), ("a", "b"))
    assert TASKS.find("classification").report(outputs, np.array([0.0, 1.0]), ("a", "b")).images == 2
