"""Balances: how classes with few images come to count as much as those with many, each by hand and on 20 to 1."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow, toy_backbone, write_pictures
from scipy.special import log_softmax, softmax

import keras_transfer as kt
from keras_transfer.data.examples import Examples
from keras_transfer.data.pipelines.order import balanced
from keras_transfer.training.balancing import BALANCES, adjusted

SOLVE = kt.Phase("solve", "head")
HEAD = {"schedule": "feature_extraction", "epochs": 2, "learning_rate": 1e-2, "verbose": 0}
LABELS = np.repeat([0, 1, 2], [20, 7, 3])
RNG = np.random.default_rng(0)


def shaded(counts, seed):
    """Examples whose classes differ in their shade, by less than what they vary."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    shades = rng.normal(90 + 60 * labels, 30)[:, None, None, None]
    return Examples(rng.normal(shades, 10, (len(labels), 32, 32, 3)).clip(0, 255).astype("uint8"), labels)


def of(train, validation, **options):
    names = tuple("abc"[: len(train)])
    splits = {"train": shaded(train, 1), "validation": shaded(validation, 2)}
    return kt.data.ImageData(splits, names, (32, 32), batch_size=8, **options)


@pytest.fixture(scope="module")
def data():
    return of((40, 12, 5), (8, 4, 2))


def build(count=3, activation="softmax", **options):
    keras.utils.set_random_seed(0)
    return kt.build_model(toy_backbone(), count, image_size=32, activation=activation, **options)


def drawn(labels, seed, epochs):
    """Index and use of each draw of some epochs, from a pass that begins at the first of them."""
    order = balanced(labels, seed, tf.Variable(epochs[0], dtype=tf.int64))
    passes = order.starts().map(lambda *start: order.chunk(*start)[:2]).unbatch()
    return [np.array(list(passes.as_numpy_iterator())).T for _ in epochs]


def test_each_class_is_drawn_equally_often_in_every_epoch():
    for index, _ in drawn(LABELS[:29], 0, range(4)):  # 29 places do not go into three
        counts = np.bincount(LABELS[index])
        assert counts.sum() == 29 and counts.max() - counts.min() <= 1


def test_all_images_of_a_class_are_used_before_one_is_used_again():
    so_far = np.zeros(30, int)
    for index, use in drawn(LABELS, 3, range(5)):
        so_far += np.bincount(index, minlength=30)
        for label in range(3):
            of_class = so_far[label == LABELS]
            assert of_class.max() - of_class.min() <= 1
        for each in np.unique(index):  # the uses of an image are numbered through all epochs
            times = np.sort(use[index == each])
            assert times.tolist() == list(range(so_far[each] - len(times), so_far[each]))
    assert so_far.min() >= 2 and so_far[LABELS == 2].sum() == 50


def test_the_order_depends_on_seed_and_epoch_alone():
    first, second = drawn(LABELS, 0, (0, 1))
    assert np.array_equal(drawn(LABELS, 0, (1,))[0], second)
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], drawn(LABELS, 1, (0,))[0][0])


def test_classes_without_images_are_left_out_of_the_draws():
    index, _ = drawn(np.array([0, 0, 0, 3]), 0, (0,))[0]
    assert (index == 3).sum() == 2


def test_balanced_data_serves_a_fit_of_ones_own(data):
    even = data.balanced()
    even.start_epoch(2)
    labels = np.concatenate([labels for _, labels in even.train])
    assert np.bincount(labels).tolist() == [19, 19, 19] and even.steps == data.steps == 8
    assert "classes drawn equally often" in repr(even) and "equally" not in repr(data)
    even.start_epoch(2)
    order = [index for index, _ in even.order().as_numpy_iterator()]
    assert np.array_equal(labels, data.splits["train"].labels[order])
    assert np.array_equal(np.concatenate([y for _, y in even.validation]), data.splits["validation"].labels)


def test_files_that_became_unreadable_are_named_as_in_any_order(tmp_path):
    write_pictures(tmp_path, per_class=12, classes=("red",))
    write_pictures(tmp_path, per_class=3, classes=("blue",))
    even = kt.data.from_directory(tmp_path, image_size=32, batch_size=4, validation_split=0.2).balanced()
    items, labels = even.splits["train"].items, even.splits["train"].labels
    rare = Path(items[labels == even.class_names.index("blue")][0])
    rare.write_bytes(b"no picture any more")
    even.start_epoch(5)
    order = [items[index] for index, _ in even.order().as_numpy_iterator()]
    even.start_epoch(5)
    assert sum(len(labels) for _, labels in even.train) == len(items)
    assert [(file.path, file.times) for file in even.replaced()] == [(rare, order.count(str(rare)))]


def test_an_image_that_is_drawn_again_is_augmented_in_another_way(data):
    part = dataclasses.replace(data, augment="light", batch_size=57).balanced()
    part.start_epoch(0)
    images, _ = next(iter(part.train))
    part.start_epoch(0)
    index = np.array([index for index, _ in part.order().as_numpy_iterator()])
    rare = np.flatnonzero(index == 55)
    assert len(rare) >= 3
    assert not any(np.array_equal(images[rare[0]], images[place]) for place in rare[1:])


@pytest.mark.parametrize("augment", mostly_slow(["light", "none"]))
def test_cached_and_uncached_training_are_the_same(data, augment):
    part, weights = dataclasses.replace(data, augment=augment), []
    views = 12 if augment != "none" else 0  # the rarest images are used 8 times
    for cache in (kt.Cache("memory", views=views), False):
        model = build()
        kt.fine_tune(model, part, balance="sampling", cache=cache, **HEAD)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_cached_batches_are_those_of_the_images(data):
    model, even = build(), data.balanced()
    cached = kt.CachedDataset(model, even, verbose=0)
    features = kt.split(model, "features")[0]
    for _ in range(2):
        even.start_epoch(1)
        direct = [(features(images).numpy(), labels.numpy()) for images, labels in even.train]
        even.start_epoch(1)
        for (vectors, labels), (expected, same) in zip(cached.train, direct, strict=True):
            assert np.array_equal(labels, same)
            np.testing.assert_allclose(vectors, expected, atol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
def test_the_adjusted_loss_is_that_of_logits_with_the_shares(mixed):
    logits, shares = RNG.normal(0, 3, (6, 3)), np.array([0.7, 0.25, 0.05])
    labels = RNG.dirichlet(np.ones(3), 6) if mixed else RNG.integers(0, 3, 6)
    expected = log_softmax(logits + np.log(shares), axis=1)
    expected = (expected * labels).sum(axis=1) if mixed else expected[np.arange(6), labels]
    loss = adjusted(f"{'' if mixed else 'sparse_'}categorical_crossentropy", np.log(shares))
    found = loss(tf.constant(labels), tf.constant(softmax(logits, axis=1), tf.float32))
    np.testing.assert_allclose(found, -expected, rtol=1e-5)


def test_the_adjusted_loss_of_one_output_is_that_of_two():
    logit, labels = RNG.normal(0, 2, 6), np.arange(6) % 2
    shares = np.array([0.9, 0.1])
    both = np.stack([np.zeros(6), logit], axis=1)
    expected = log_softmax(both + np.log(shares), axis=1)[np.arange(6), labels]
    outputs = tf.constant(1 / (1 + np.exp(-logit)), tf.float32)[:, None]
    found = adjusted("binary_crossentropy", np.log(shares))(tf.constant(labels)[:, None], outputs)
    np.testing.assert_allclose(found, -expected, rtol=1e-4)


@pytest.mark.slow
def test_the_validation_loss_is_adjusted_and_a_file_has_the_plain_one(data, tmp_path):
    model = build()
    history = kt.fine_tune(model, data, balance="logit_adjustment", **HEAD)
    labels = data.splits["validation"].labels
    shares = np.bincount(data.splits["train"].labels) / len(data.splits["train"])
    outputs = model.predict(data.validation, verbose=0).astype(float)
    joint = outputs * shares
    adjusted_loss = -np.log(joint[np.arange(14), labels] / joint.sum(axis=1)).mean()
    assert min(history.history["val_loss"]) == pytest.approx(adjusted_loss, rel=1e-4)
    file = tmp_path / "model.keras"
    model.save(file)
    code = (
        "import sys, keras; model = keras.models.load_model(sys.argv[1]); "
        "assert model.loss == 'sparse_categorical_crossentropy' and 'keras_transfer' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, file], check=True, timeout=120)
    plain = keras.models.load_model(file).evaluate(data.validation, verbose=0, return_dict=True)
    assert plain["loss"] == pytest.approx(-np.log(outputs[np.arange(14), labels]).mean(), rel=1e-4)
    assert plain["accuracy"] == pytest.approx((outputs.argmax(axis=1) == labels).mean())


def test_shares_of_classes_are_taken_off_a_solved_head(data):
    kernels, biases = [], []
    for balance in (None, "logit_adjustment"):
        model = build()
        history = kt.fine_tune(model, data, schedule="solve", class_weight="auto", balance=balance, verbose=0)
        kernels.append(model.get_layer("logits").kernel.numpy())
        biases.append(model.get_layer("logits").bias.numpy())
    plain = build()
    kt.fine_tune(plain, data, schedule="solve", class_weight=None, verbose=0)
    shares = np.array([40, 12, 5]) / 57
    np.testing.assert_allclose(kernels[1], plain.get_layer("logits").kernel, atol=1e-6)
    np.testing.assert_allclose(biases[1], plain.get_layer("logits").bias - np.log(shares), atol=1e-5)
    loss = plain.evaluate(data.validation, verbose=0, return_dict=True)["loss"]
    assert history.history["val_loss"] == pytest.approx([loss], rel=1e-4), "the adjusted loss of the adjusted head"


def test_training_goes_on_from_the_solved_head_where_it_was(data):
    phases = (SOLVE, kt.Phase(1, "head", 1e-7))
    losses = kt.fine_tune(build(), data, schedule=phases, balance="logit_adjustment", verbose=0).history["val_loss"]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_a_head_that_is_solved_for_even_draws_has_class_weights(data):
    heads = []
    for options in ({"balance": "sampling"}, {"class_weight": "balanced"}, {"balance": "class_weight"}):
        model = build()
        kt.fine_tune(model, data, schedule="solve", verbose=0, **options)
        heads.append(model.get_layer("logits").kernel.numpy())
    assert np.array_equal(heads[0], heads[1]) and np.array_equal(heads[0], heads[2])


@pytest.mark.slow
def test_one_output_is_balanced_too():
    data = of((60, 6), (20, 4))
    solved, plain = build(1, "sigmoid"), build(1, "sigmoid")
    kt.fine_tune(plain, data, schedule="solve", class_weight=None, verbose=0)
    kt.fine_tune(solved, data, schedule="solve", balance="logit_adjustment", verbose=0)
    assert (solved.get_layer("logits").bias - plain.get_layer("logits").bias).numpy() == pytest.approx(np.log(10))
    for name in BALANCES.names():
        assert np.isfinite(kt.fine_tune(build(1, "sigmoid"), data, balance=name, **HEAD).history["loss"]).all()


@pytest.mark.parametrize("balance", mostly_slow(BALANCES.names()))
def test_mixed_images_and_recipes_are_balanced_too(data, balance, capsys):
    mixed = dataclasses.replace(data, augment="mixup")
    assert np.isfinite(kt.fine_tune(build(), mixed, balance=balance, **HEAD).history["loss"]).all()
    kt.fine_tune(build(), data, recipe="fast", balance=balance, verbose=2)
    assert "5 to 40 images" in capsys.readouterr().out


def test_data_that_draws_evenly_is_not_weighed_once_more(data, capsys):
    kt.fine_tune(build(), data.balanced(), **{**HEAD, "verbose": 2})
    assert "weigh the same" not in capsys.readouterr().out


def test_a_run_with_another_balance_is_another_run(data, tmp_path):
    options = {**HEAD, "resume_dir": tmp_path / "run"}
    kt.fine_tune(build(), data, balance="sampling", **options)
    assert len(kt.fine_tune(build(), data, balance="sampling", **options).epoch) == 2
    for other in (None, "class_weight", "logit_adjustment"):
        with pytest.raises(kt.InputError, match="balance: 'sampling' there"):
            kt.fine_tune(build(), data, balance=other, **options)
    kept = {**HEAD, "resume_dir": tmp_path / "plain", "class_weight": None}
    kt.fine_tune(build(), data, **kept)
    with pytest.raises(kt.InputError, match="sampling: 'once' there, 'balanced' now"):
        kt.fine_tune(build(), data.balanced(), **kept)


def without_bias(features, classes):
    return keras.layers.Dense(classes, use_bias=False)(features)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"balance": "samplin"}, "Did you mean 'sampling'"),
        ({"balance": "sampling", "class_weight": None}, "Expected `balance`, or `class_weight`"),
        ({"balance": "sampling", "class_weight": {0: 2.0}}, "Expected `balance`, or `class_weight`"),
        ({"balance": "logit_adjustment", "loss": "categorical_crossentropy"}, "Expected no `loss`"),
    ],
)
def test_what_does_not_go_together_is_refused(data, options, message):
    with pytest.raises(kt.InputError, match=message):
        kt.fine_tune(build(), data, verbose=0, **options)


def test_data_that_cannot_be_balanced_is_refused(data):
    for options in ({"balance": "class_weight"}, {"balance": "logit_adjustment"}, {"class_weight": "balanced"}):
        with pytest.raises(kt.InputError, match="not balanced yet"):
            kt.fine_tune(build(), data.balanced(), verbose=0, **options)
    with pytest.raises(kt.InputError, match="with a bias"):
        kt.fine_tune(build(head=without_bias), data, schedule="solve", balance="logit_adjustment", verbose=0)
    wider = data.with_classes(["a", "b", "c", "d"])
    with pytest.raises(kt.InputError, match=r"none of \['d'\]"):
        kt.fine_tune(build(4), wider, balance="logit_adjustment", verbose=0)
    several = kt.data.from_arrays(data.splits["train"].items, np.tri(57, 3, dtype=int), batch_size=8)
    with pytest.raises(kt.InputError, match="Expected one class an image, to balance classes"):
        kt.fine_tune(build(activation="sigmoid"), several, balance="sampling", verbose=0)
    with pytest.raises(kt.InputError, match="draw classes equally often"):
        several.balanced()
    with pytest.raises(kt.InputError, match="Unknown sampling"):
        dataclasses.replace(data, sampling="twice")


@pytest.fixture(scope="module")
def twenty_to_one():
    """400 images of a class and 20 of another in training, as in validation; 100 of each to test."""
    splits = {"train": shaded((400, 20), 3), "validation": shaded((100, 5), 4), "test": shaded((100, 100), 5)}
    return kt.data.ImageData(splits, ("common", "rare"), (32, 32), batch_size=32)


def reported(data, schedule, **options):
    model = build(2)
    phases = {"schedule": schedule, **({} if schedule == "solve" else {"epochs": 8, "learning_rate": 0.05})}
    kt.fine_tune(model, data, verbose=0, **phases, **options)
    return kt.evaluate(model, data.test, class_names=data.class_names)


@pytest.mark.parametrize("schedule", mostly_slow(["solve", "feature_extraction"]))
def test_each_balance_finds_the_rare_class_at_twenty_to_one(twenty_to_one, schedule):
    plain = reported(twenty_to_one, schedule, class_weight=None)
    assert plain.per_class["rare"]["recall"] < 0.5 < 0.95 < plain.per_class["common"]["recall"]
    for name in kt.available("balance"):
        report = reported(twenty_to_one, schedule, balance=name)
        assert report.metrics["balanced_accuracy"] > plain.metrics["balanced_accuracy"] + 0.15, name
        assert min(each["recall"] for each in report.per_class.values()) > 0.65, name
