"""Contract checks: every registered part passes, and a part that breaks a promise is told so."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer import testing
from keras_transfer.tasks import TASKS, Classification

CHECKS = {
    "head": testing.check_head,
    "pooling": testing.check_pooling,
    "schedule": testing.check_schedule,
    "rate": testing.check_rate,
    "augmentation": testing.check_augmentation,
    "alignment": testing.check_alignment,
    "validator": testing.check_validator,
}
ELSEWHERE = {
    "tuning": "test_tuning.py and test_deltas.py run contracts over each",
    "ranking": "test_ranking.py compares each with its formula",
    "engine": "test_engines.py runs each over every backbone",
    "backbone": "test_backbones.py runs a longer contract over each",
    "sound augmentation": "test_sound.py looks at each",
    "text augmentation": "test_text.py looks at each",
    "token pooling": "test_text_models.py pools with each, padded and not",
    "mixing": "a mixing is a layer of Keras; test_augment.py",
    "penalty": "test_penalties.py trains with each, cached and uncached",
    "recipe": "test_recipes.py runs each",
    "balance": "test_balance.py trains with each",
    "views": "test_views.py exports a model with each",
    "resize": "test_serving.py compares what training and serving see with each",
    "task": "test_tasks.py runs check_task over each",
    "format": "test_runtimes.py runs a contract over each",
}


def test_every_kind_of_part_has_a_contract():
    assert {*CHECKS, *ELSEWHERE} == set(kt.available())
    assert {check.__name__ for check in CHECKS.values()} | {"check_backbone", "check_task", "BrokenContract"} == set(
        testing.__all__
    )


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in CHECKS for name in kt.available(kind)])
def test_every_registered_part_keeps_its_contract(kind, name):
    CHECKS[kind](name)


def test_a_backbone_keeps_its_contract():
    testing.check_backbone(toy_backbone(), image_size=32)
    testing.check_backbone("MobileNet", image_size=32, weights=None, backbone_options={"alpha": 0.25})


class _Stranger(keras.layers.Layer):
    """A layer that Keras does not know when it reloads a model."""

    def call(self, inputs):
        return inputs


def _restless(image):
    return image + tf.random.uniform(())


class _Uneven(kt.alignment.Alignment):
    """A method that says that it is zero on equal batches, and is not."""

    zero_on_equal = True

    def loss(self, source, target, progress):
        return tf.reduce_mean(source.features) + 1.0


class _Lost(Classification):
    """A task whose export forgets its outputs."""

    name = "lost"

    def answer(self, outputs, class_names):
        answer = super().answer(outputs, class_names)
        return {**answer, self.output: tf.zeros_like(outputs)}


class _Restless(keras.layers.Layer):
    """A layer that is random whatever `training` says."""

    def call(self, inputs):
        return inputs + keras.random.uniform(keras.ops.shape(inputs), seed=self.seed)

    def __init__(self, **options):
        super().__init__(**options)
        self.seed = keras.random.SeedGenerator(0)


@pytest.mark.parametrize(
    ("check", "promise"),
    [
        (lambda: testing.check_head(lambda x, n: keras.layers.Dense(n)(_Stranger()(x))), "layers that Keras reloads"),
        (lambda: testing.check_head(lambda x, n: keras.ops.zeros_like(x[:, :1]) * keras.ops.ones((1, n))), "weights"),
        (lambda: testing.check_pooling(lambda x: x - keras.ops.mean(x, axis=0, keepdims=True)), "features"),
        (
            lambda: testing.check_pooling(lambda x: keras.ops.mean(x, axis=(1, 2)) - keras.ops.mean(x, axis=(0, 1, 2))),
            "alone and in a batch",
        ),
        (lambda: testing.check_schedule(lambda epochs, rate, stages: (kt.Phase(epochs + 1, "head", rate),)), "epochs"),
        (lambda: testing.check_schedule(lambda epochs, rate, stages: (kt.Phase(epochs, "head", 1.0),)), "rate"),
        (lambda: testing.check_rate(lambda progress: 2 * progress), "factors in"),
        (lambda: testing.check_rate(lambda progress: 0.0), "above 0"),
        (lambda: testing.check_augmentation(lambda image: image * 2), "values in"),
        (lambda: testing.check_augmentation(_restless), "the same image for the same seed|values in"),
        (lambda: testing.check_alignment(_Uneven()), "zero on equal batches"),
        (lambda: testing.check_alignment(lambda source, target: tf.math.log(0.0)), "finite loss"),
        (lambda: testing.check_validator(lambda source, target: float(target.labels is None)), "labels of the target"),
        (lambda: testing.check_validator(lambda source, target: 1), "one finite float"),
    ],
)
def test_a_broken_promise_is_named(check, promise):
    with pytest.raises(testing.BrokenContract, match=promise) as caught:
        check()
    assert isinstance(caught.value, (AssertionError, kt.KerasTransferError)) and "Expected " in str(caught.value)


def test_a_task_that_breaks_its_promise_is_told_so(monkeypatch):
    labels, outputs = np.arange(6) % 2, np.eye(2, dtype="float32")[np.arange(6) % 2]
    check = partial(testing.check_task, labels=labels, outputs=outputs, class_names=("a", "b"))
    check("classification")
    lost = _Lost()
    monkeypatch.setitem(TASKS._parts, "classification", lost)  # in its place, so that the activation names it
    with pytest.raises(testing.BrokenContract, match="the outputs under 'probabilities'"):
        check(lost)


def test_a_restless_backbone_is_told_so():
    network = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(2, 3), _Restless()])
    with pytest.raises(testing.BrokenContract, match="Expected the same"):
        testing.check_backbone(network, image_size=16)
