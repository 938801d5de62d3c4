"""distill: the loss by hand, what the teacher sees, cached and uncached, images without labels, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone
from scipy.special import log_softmax, softmax

import keras_transfer as kt
from keras_transfer.training.teaching import DistillationLoss, accuracy

RNG = np.random.default_rng(0)
PHASES = (kt.Phase("solve", "head"), kt.Phase(2, 1, 1e-3), kt.Phase(2, "all", 1e-3))


def shades(count):
    """Images of three shades with noise, and their labels."""
    labels = np.arange(count) % 3
    images = RNG.normal(60 + 60 * labels[:, None, None, None], 40, (count, 32, 32, 3))
    return images.clip(0, 255).astype("uint8"), labels


@pytest.fixture(scope="module")
def data():
    return kt.data.from_arrays(*shades(60), class_names=["a", "b", "c"], image_size=32, batch_size=16)


@pytest.fixture(scope="module")
def more():
    return kt.data.unlabelled(shades(60)[0], image_size=32, batch_size=16)


def build(seed=0, **options):
    keras.utils.set_random_seed(seed)
    return kt.build_model(toy_backbone(), 3, image_size=32, **options)


@pytest.fixture(scope="module")
def teacher(data):
    model = build(seed=5)
    kt.fine_tune(model, data, schedule="solve", verbose=0)
    return model


def taught(teacher, data, unlabelled=None, **options):
    student = build(seed=1)
    keras.utils.set_random_seed(2)
    history = kt.distill(teacher, student, data, unlabelled, **{"schedule": PHASES, "verbose": 0, **options})
    return student, history


def same(first, second):
    return all(np.array_equal(*pair) for pair in zip(first.get_weights(), second.get_weights(), strict=True))


# the loss


def test_the_loss_is_that_of_the_paper():
    known = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], "float32")
    p, q = softmax(RNG.normal(size=(2, 3, 3)), axis=-1).astype("float32")
    found = DistillationLoss(temperature=3.0, weight=0.7).call(
        tf.constant(np.concatenate([known, q], 1)), tf.constant(p)
    )
    hard = -(known * np.log(p)).sum(axis=1)
    soft = -(softmax(np.log(q) / 3, axis=1) * log_softmax(np.log(p) / 3, axis=1)).sum(axis=1)
    np.testing.assert_allclose(found, 0.3 * hard + 0.7 * 9 * soft, rtol=1e-5)


def test_labels_alone_give_the_cross_entropy():
    p = softmax(RNG.normal(size=(4, 3)), axis=1).astype("float32")
    labels = np.array([0, 2, 1, 1])
    found = DistillationLoss(3.0, 0.7)(labels.astype("float32"), p)
    assert float(found) == pytest.approx(-np.log(p[np.arange(4), labels]).mean(), rel=1e-5)
    assert accuracy(tf.constant(labels), tf.constant(p)).numpy().tolist() == (p.argmax(1) == labels).tolist()


def test_certain_answers_are_no_infinite_loss():
    labels = tf.constant([[0.0, 1.0, 0.0, 1.0]])
    assert np.isfinite(DistillationLoss(1.0, 0.5)(labels, tf.constant([[1.0, 0.0]])))


# training


@pytest.mark.parametrize("options", [{}, {"views": 2}])
def test_cached_equals_uncached(teacher, data, options):
    data = replace(data, augment="light") if options else data
    phases = PHASES[1:]
    cached, history = taught(teacher, data, schedule=phases, cache="memory", **options)
    plain, uncached = taught(teacher, data, schedule=phases, cache=False, **options)
    assert same(cached, plain) and history.history == uncached.history


def test_the_teacher_and_the_student_see_the_same_views(data):
    images = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images / 255)
    teacher = keras.Model(images, keras.layers.Dense(3, activation="softmax")(pooled))
    augmented = replace(data, augment="light", batch_size=len(data.splits["train"]))
    pictures, answers = [], []
    for view in range(2):
        for batch, _ in augmented.in_order("train", epoch=view):
            answers.append(teacher.predict(batch, verbose=0))
    targets = np.stack(answers).astype("float32")
    fed = replace(augmented, targets=targets)
    for epoch in range(3):
        fed.start_epoch(epoch)
        for batch, said in fed.train:  # the targets of an image are what the teacher says of that very view
            pictures.append(batch.numpy())
            np.testing.assert_allclose(said, teacher.predict(batch, verbose=0), atol=1e-6)
    assert not np.array_equal(pictures[0].sum(0), pictures[1].sum(0))


def test_a_solved_head_has_the_smallest_loss_at_a_temperature_of_one(teacher, data, more):
    student, history = taught(teacher, data, more, schedule="solve", temperature=1.0, weight=0.6)
    parts = (data.in_order("train"), more.in_order("train"), more.in_order("validation"))
    images = np.concatenate([batch for part in parts for batch, _ in part])
    q = teacher.predict(images, verbose=0)
    known = np.zeros_like(q)
    known[: len(data.splits["train"])] = np.eye(3)[data.splits["train"].labels]
    loss = DistillationLoss(1.0, 0.6)

    def total(model):
        return float(loss(np.concatenate([known, q], 1), model.predict(images, verbose=0)))

    least = total(student)
    assert history.history["loss"] == [pytest.approx(least, rel=1e-4)]
    trained = build(seed=1)
    kt.distill(
        teacher,
        trained,
        data,
        more,
        temperature=1.0,
        weight=0.6,
        verbose=0,
        schedule=(kt.Phase(30, "head", 1e-2),),
        patience=30,
    )
    assert least < total(trained) + 0.02


def test_a_student_learns_what_the_labels_do_not_say(teacher, data, more):
    few = replace(data, splits={**data.splits, "train": data.splits["train"].take(np.arange(3))})
    alone = build(seed=1)
    kt.fine_tune(alone, few, schedule="solve", verbose=0)
    student, history = taught(teacher, few, more)
    reports = [kt.evaluate(model, data.train.take(3)).metrics["loss"] for model in (alone, student)]
    assert reports[1] < reports[0]
    assert len(history.epoch) == 5 and student.class_names == ("a", "b", "c")


def test_several_teachers_are_averaged_and_classes_are_put_in_order(teacher, data):
    swapped = build(seed=5)
    swapped.set_weights(teacher.get_weights())
    dense = next(layer for layer in swapped.layers if isinstance(layer, keras.layers.Dense))
    dense.set_weights([weight[..., [2, 0, 1]] for weight in dense.get_weights()])
    swapped.class_names = ("c", "a", "b")
    one, two = (taught(each, data, schedule="solve")[0] for each in (teacher, [teacher, swapped]))
    ours, theirs = (model.predict(data.validation, verbose=0) for model in (one, two))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_larger_teacher_gets_images_of_its_own_size(data):
    images = keras.Input((48, 48, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images / 255)
    teacher = keras.Model(images, keras.layers.Dense(3, activation="softmax")(pooled))
    for given in (data, replace(data, augment="light")):
        assert np.isfinite(taught(teacher, given, schedule="feature_extraction", epochs=1)[1].history["loss"]).all()


def test_a_model_is_plain_afterwards(teacher, data, tmp_path):
    student, _ = taught(teacher, data)
    student.save(tmp_path / "student.keras")
    loaded = keras.models.load_model(tmp_path / "student.keras")
    assert same(loaded, student) and loaded.loss == "sparse_categorical_crossentropy"


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


def test_a_run_goes_on_and_knows_its_teacher(teacher, data, tmp_path):
    whole, _ = taught(teacher, data)
    with pytest.raises(KeyboardInterrupt):
        taught(teacher, data, resume_dir=tmp_path / "run", callbacks=[Stop()])
    assert same(taught(teacher, data, resume_dir=tmp_path / "run")[0], whole)
    with pytest.raises(kt.InputError, match="teacher"):
        taught(build(seed=9), data, resume_dir=tmp_path / "run")
    with pytest.raises(kt.InputError, match="teacher"):
        taught(teacher, data, resume_dir=tmp_path / "run", temperature=5.0)


def test_it_says_how_good_the_teacher_is(teacher, data, more, capsys):
    taught(teacher, data, more, schedule="solve", verbose=2)
    assert "teacher: right on" in (said := capsys.readouterr()).out + said.err


# refused


def test_a_teacher_of_other_classes_is_refused(data):
    other = build()
    other.class_names = ("a", "b", "d")
    with pytest.raises(kt.InputError, match=r"classes of the data, \['a', 'b', 'c'\].*'d'"):
        taught(other, data)
    with pytest.raises(kt.InputError, match="4 classes"):
        taught(kt.build_model(toy_backbone(), 4, image_size=32), data)
    with pytest.raises(kt.InputError, match="softmax"):
        taught(build(activation="sigmoid"), data)


def test_a_teacher_that_is_lost_is_refused(teacher, data):
    lost = build()
    lost.set_weights([np.full_like(weight, np.nan) for weight in lost.get_weights()])
    with pytest.raises(kt.DataError, match="not a number"):
        taught(lost, data)


def test_other_images_without_labels_are_refused(teacher, data, pictures):
    with pytest.raises(kt.InputError, match="same kind"):
        taught(teacher, data, kt.data.unlabelled(pictures, image_size=32))


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"weight": 2}, {"views": 0}, {"views": 3}])
def test_settings_out_of_range_are_refused(teacher, data, wrong):
    with pytest.raises(kt.InputError, match=next(iter(wrong))):
        taught(teacher, data, **wrong)
