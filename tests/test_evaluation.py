"""evaluate against numbers worked by hand."""

from __future__ import annotations

import itertools
import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_transfer as kt
from keras_transfer.insight.evaluation import report_on

# three classes, five images; predicted 0 0 1 1 2, true 0 1 1 1 0
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.2, 0.8, 0.0], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])
TRUTH = np.array([0, 1, 1, 1, 0])


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


def test_numbers_worked_by_hand():
    report = report_on(PROBABILITIES, TRUTH, ["ant", "bee", "cat"])
    assert report.metrics["accuracy"] == pytest.approx(3 / 5)
    assert report.metrics["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2), "cat has no images"
    assert report.metrics["loss"] == pytest.approx(-np.log([0.7, 0.4, 0.8, 0.6, 0.25]).mean(), abs=1e-6)
    assert report.confusion.tolist() == [[1, 0, 1], [1, 2, 0], [0, 0, 0]]
    assert report.per_class["bee"] == pytest.approx({"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "support": 3})
    assert report.per_class["cat"]["support"] == 0
    assert "top_5_accuracy" not in report.metrics


def test_top_five_counts_where_there_are_more_classes():
    probabilities = np.tile(np.linspace(0.0, 0.3, 7), (2, 1))
    report = report_on(probabilities / probabilities.sum(axis=1, keepdims=True), np.array([2, 1]))
    assert report.metrics["top_5_accuracy"] == 0.5


def test_several_labels_at_once():
    report = report_on(np.array([[0.9, 0.2], [0.6, 0.7]]), np.array([[1, 0], [0, 1]]), ["dog", "cat"])
    assert report.metrics["accuracy"] == 0.75 and report.metrics["exact_match"] == 0.5
    assert report.metrics["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.7]).mean())
    with pytest.raises(kt.InputError, match="one class an image"):
        report.plot()


def test_one_yes_or_no_an_image():
    report = report_on(np.array([[0.9], [0.2], [0.3], [0.1], [0.6]]), np.array([1, 0, 0, 0, 0]), ["ill"])
    assert report.per_class["ill"] == pytest.approx({"precision": 0.5, "recall": 1, "f1": 2 / 3, "support": 1})
    assert report.confusion.tolist() == [[[3, 1], [0, 1]]] and report.metrics["accuracy"] == 0.8


def test_one_hot_labels_mean_one_class_an_image(trained, data):
    model, _ = trained
    one_hot = data.validation.map(lambda images, labels: (images, tf.one_hot(labels, 3)))
    assert kt.evaluate(model, one_hot).to_dict() == kt.evaluate(model, data.validation).to_dict()


def test_it_agrees_with_keras(trained, data):
    model, _ = trained
    report = kt.evaluate(model, data.validation, class_names=data.class_names)
    loss, accuracy = model.evaluate(data.validation, verbose=0)
    assert report.metrics["loss"] == pytest.approx(loss, abs=1e-5)
    assert report.metrics["accuracy"] == pytest.approx(accuracy)


def test_it_prints_saves_and_draws(trained, data):
    report = kt.evaluate(trained[0], data.validation, class_names=data.class_names)
    text = str(report)
    assert "balanced accuracy" in text and "precision" in text and "green" in text
    again = json.loads(json.dumps(report.to_dict()))
    assert again["metrics"]["accuracy"] == report.metrics["accuracy"] and not math.isnan(again["metrics"]["loss"])
    assert report.plot().axes[0].get_xlabel() == "predicted"


def test_wrong_inputs_are_refused(trained, data):
    model, _ = trained
    with pytest.raises(kt.InputError, match="an empty dataset"):
        kt.evaluate(model, data.validation.take(0))
    with pytest.raises(kt.InputError, match="3 class names"):
        kt.evaluate(model, data.validation, class_names=["a"])
    with pytest.raises(kt.InputError, match=r"a tf.data.Dataset"):
        kt.evaluate(model, np.zeros((2, 32, 32, 3)))
    with pytest.raises(kt.InputError, match="from 0 to 2"):
        kt.evaluate(model, tf.data.Dataset.from_tensors((np.zeros((2, 32, 32, 3)), np.array([0, 7]))))


class Batches(keras.utils.PyDataset):
    def __init__(self, images, labels):
        super().__init__()
        self.images, self.labels = images, labels

    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(index * 3, index * 3 + 3)
        return self.images[part], self.labels[part]


@pytest.mark.parametrize(
    "form",
    [
        lambda images, labels: tf.data.Dataset.from_tensor_slices((images, labels)).batch(4),
        lambda images, labels: tf.data.Dataset.from_tensor_slices((images, labels)),
        lambda images, labels: tf.data.Dataset.from_tensors((images, labels, np.ones(6))),
        lambda images, labels: tf.data.Dataset.from_tensors((images, labels[:, np.newaxis])),
        lambda images, labels: (images, labels),
        lambda images, labels: (images, labels[:, np.newaxis]),
        lambda images, labels: (images, np.eye(3)[labels]),
        Batches,
        lambda images, labels: ((images[[index]], labels[[index]]) for index in range(6)),
        lambda images, labels: [(images[:2], labels[:2]), (images[2:], labels[2:], np.ones(4))],
    ],
)
def test_every_form_of_labelled_examples_gives_the_same_report(trained, data, form):
    part = data.splits["validation"]
    expected = kt.evaluate(trained[0], data.validation)
    found = kt.evaluate(trained[0], form(part.items.astype("float32"), part.labels))
    assert found.metrics == pytest.approx(expected.metrics, abs=1e-6)
    assert np.array_equal(found.confusion, expected.confusion) and found.class_names == expected.class_names


def test_a_generator_without_an_end_is_taken_for_some_steps(trained, data):
    images, labels = next(iter(data.validation))
    assert kt.evaluate(trained[0], itertools.repeat((images, labels)), steps=3).images == 3 * len(images)


def test_of_many_classes_a_table_and_a_picture_show_the_worst():
    count = 400
    labels = np.arange(count).repeat(2)
    outputs = np.eye(count)[labels]
    outputs[10:14] = np.eye(count)[7]  # classes 5 and 6 are taken for class 7
    report = report_on(outputs, labels)
    text = str(report)
    assert "the 20 of 400 classes with the lowest F1" in text and len(text.splitlines()) < 40
    assert text.index("\n5 ") < text.index("\n7 ") and len(report.per_class) == count
    figure = report.plot()
    assert figure.axes[0].get_title() == "the 60 of 400 classes with the most mistakes"
    assert max(figure.get_size_inches()) < 30
