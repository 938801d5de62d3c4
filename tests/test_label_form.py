"""Losses and metrics that take one-hot labels, and those that take numbers: both work, with a cache and without."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from conftest import mostly_slow
from networks import toy_backbone

import keras_transfer as kt
from keras_transfer.training.label_form import wants_one_hot

metrics, losses = keras.metrics, keras.losses
ONE_HOT = [metrics.AUC, metrics.Precision, metrics.Recall, metrics.F1Score, metrics.CategoricalAccuracy]


@pytest.fixture(scope="module", params=[False, "memory"], ids=["uncached", "cached"])
def cache(request):
    return request.param


def train(data, num_classes, activation="softmax", **options):
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), num_classes, image_size=32, activation=activation)
    history = kt.fine_tune(model, data, schedule="feature_extraction", epochs=1, verbose=0, **options)
    return model, history.history


def of_two(arrays):
    images = np.concatenate([part.items for part in arrays.splits.values()])
    labels = np.concatenate([part.labels for part in arrays.splits.values()])
    return kt.data.from_arrays(images, np.array(["cold", "warm"])[(labels == 2).astype(int)], batch_size=8)


@pytest.mark.parametrize("count", mostly_slow([2, 3]))
def test_all_of_them_give_what_keras_gives_on_one_hot_labels(arrays, cache, count):
    data = arrays if count == 3 else of_two(arrays)
    asked = [each(name=each.__name__) for each in ONE_HOT]
    asked += ["accuracy", "top_k_categorical_accuracy", "f1"]
    model, history = train(
        data, count, metrics=asked, cache=cache, loss=losses.CategoricalCrossentropy(label_smoothing=0.1)
    )
    smooth = losses.CategoricalCrossentropy(label_smoothing=0.1)
    probabilities = model.predict(data.validation, verbose=0)
    labels = np.eye(count)[data.splits["validation"].labels]
    for each in ONE_HOT:
        expected = each()
        expected.update_state(labels, probabilities)
        assert np.allclose(history[f"val_{each.__name__}"][-1], expected.result(), atol=1e-6), each
    assert history["val_loss"][-1] == pytest.approx(float(smooth(labels, probabilities)), abs=1e-5)
    assert history["val_f1"][-1] == pytest.approx(np.mean(history["val_F1Score"][-1]), abs=1e-6)


@pytest.mark.parametrize(
    "loss", mostly_slow([losses.SparseCategoricalCrossentropy(), "categorical_focal_crossentropy", "kl_divergence"])
)
def test_losses_of_either_form(arrays, cache, loss):
    assert np.isfinite(train(arrays, 3, loss=loss, cache=cache)[1]["loss"]).all()


def test_one_sigmoid_output_tells_two_classes_apart(arrays, cache, tmp_path):
    data = of_two(arrays)
    model, history = train(data, 1, "sigmoid", metrics=["accuracy", metrics.AUC(name="auc")], cache=cache)
    labels = data.splits["validation"].labels
    probabilities = model.predict(data.validation, verbose=0)[:, 0]
    assert history["val_accuracy"][-1] == pytest.approx(((probabilities > 0.5) == labels).mean())
    report = kt.evaluate(model, data.validation)
    assert report.class_names == ("cold", "warm") and report.metrics["accuracy"] == pytest.approx(
        history["val_accuracy"][-1]
    )
    served = kt.load(kt.export(model, tmp_path, data=data, verify=False))
    assert served.class_names == ("warm",)
    assert np.allclose(
        served.predict_probabilities(data.splits["validation"].items.astype("uint8"))[:, 0], probabilities, atol=1e-5
    )


def test_which_form_is_asked_for():
    assert wants_one_hot("kl_divergence", []) and wants_one_hot(None, ["auc"]) and wants_one_hot(None, ["f1"])
    assert wants_one_hot(losses.BinaryCrossentropy(), []) and wants_one_hot("mse", [metrics.MeanAbsoluteError()])
    assert not wants_one_hot(None, ["accuracy"]) and not wants_one_hot("sparse_categorical_crossentropy", ["acc"])
    assert not wants_one_hot(lambda labels, outputs: 0.0, [])
    with pytest.raises(kt.InputError, match="all take one-hot labels, or all the numbers"):
        wants_one_hot("categorical_crossentropy", [metrics.SparseCategoricalAccuracy()])


def test_one_hot_labels_for_a_fit_of_ones_own(arrays):
    images, labels = next(iter(arrays.one_hot().train))
    assert labels.dtype == "float32" and labels.shape == (len(images), 3) and np.all(np.sum(labels, axis=1) == 1)
    with pytest.raises(kt.InputError, match="one class an image, to write it one-hot"):
        kt.data.from_arrays(np.zeros((8, 8, 8, 3), "uint8"), np.arange(8.0)).one_hot()


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"blue": 1, "pink": 2}, "Received: 'pink'"),
        ({0: 1, 7: 1}, "Received: 7"),
        ({0: -1}, "from 0 on"),
        ({0: "a"}, "from 0 on"),
    ],
)
def test_class_weights_that_cannot_be_meant_are_refused(arrays, weights, message):
    with pytest.raises(kt.InputError, match=message):
        train(arrays, 3, class_weight=weights)


def test_class_weights_by_name_are_those_by_number(arrays):
    ours, theirs = (
        train(arrays, 3, class_weight=weights)[1] for weights in ({"red": 5.0, "blue": 0.5}, {0: 0.5, 1: 1.0, 2: 5.0})
    )
    assert ours == theirs


@pytest.mark.parametrize("labels", [np.arange(30.0), np.eye(3, dtype=int)[np.arange(30) % 3] | [1, 0, 0]])
@pytest.mark.parametrize("weights", ["balanced", {0: 1.0}])
def test_weights_of_several_labels_and_of_values_are_refused(labels, weights):
    data = kt.data.from_arrays(np.zeros((30, 32, 32, 3), "uint8"), labels)
    with pytest.raises(kt.InputError, match="one class an image, to weigh classes"):
        train(data, data.num_classes, "linear" if labels.ndim == 1 else "sigmoid", class_weight=weights)
