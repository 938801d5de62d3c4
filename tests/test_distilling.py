"""distill: the loss by hand, what the teacher sees, cached and uncached, images without labels, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow, toy_backbone
from scipy.special import log_softmax, softmax

import keras_transfer as kt
from keras_transfer.training.distilling import _with_unlabelled
from keras_transfer.training.teachers import answers_of
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


@pytest.mark.parametrize("options", mostly_slow([{}, {"views": 2}]))
def test_cached_equals_uncached(teacher, data, options):
    data = replace(data, augment="light") if options else data
    solved = [taught(teacher, data, schedule="solve", cache=cache, **options)[0] for cache in ("memory", False)]
    for ours, theirs in zip(*(model.get_weights() for model in solved), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    cached, history = taught(teacher, data, schedule=PHASES[1:2], cache="memory", **options)
    plain, uncached = taught(teacher, data, schedule=PHASES[1:2], cache=False, **options)
    assert same(cached, plain) and history.history == uncached.history


def test_the_answers_are_those_for_the_views(teacher, data):
    augmented = replace(data, augment="light")
    found = answers_of(teacher, augmented, 2, "tensorflow", 0)
    for view in range(2):
        images = np.concatenate([batch for batch, _ in augmented.in_order("train", epoch=view)])
        np.testing.assert_allclose(found[view], teacher.predict(images, verbose=0), atol=1e-6)


def test_the_teacher_and_the_student_see_the_same_views(data):
    images = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images / 255)
    teacher = keras.Model(images, keras.layers.Dense(3, activation="softmax")(pooled))
    augmented = replace(data, augment="light", batch_size=len(data.splits["train"]))
    pictures, answers = [], []
    for view in range(2):
        for batch, _ in augmented.in_order("train", epoch=view):
            answers.append(teacher.predict(batch, verbose=0))
    said = np.stack(answers).astype("float32")
    fed = replace(augmented, taught=said)
    for epoch in range(3):
        fed.start_epoch(epoch)
        for batch, found in fed.train:  # of an image it is what the teacher says of that very view
            pictures.append(batch.numpy())
            np.testing.assert_allclose(found, teacher.predict(batch, verbose=0), atol=1e-6)
    assert not np.array_equal(pictures[0].sum(0), pictures[1].sum(0))


@pytest.mark.slow
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
        schedule=(kt.Phase(12, "head", 1e-2),),
        patience=12,
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.fixture
def unasked(monkeypatch):
    """Fails if a teacher is asked: what is wrong must be said before."""
    monkeypatch.setattr("keras_transfer.training.distilling.answers_of", lambda *args: pytest.fail("was asked"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 0),
        ("temperature", "2"),
        ("temperature", float("inf")),
        ("weight", 2),
        ("views", 0),
        ("views", 3),
        ("optimizer", "adan"),
        ("rate", "fast"),
        ("cache", "disc"),
        ("schedule", "slow"),
        ("verbose", "x"),
    ],
)
def test_settings_out_of_range_are_refused(teacher, data, unasked, name, value):
    with pytest.raises(kt.InputError, match=name):
        taught(teacher, data, **{name: value})


def test_what_does_not_go_together_is_refused_before_the_teacher_is_asked(teacher, data, unasked):
    with pytest.raises(kt.InputError, match="not mixed.*mixup"):
        taught(teacher, replace(data, augment="mixup"))
    grey = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")])
    with pytest.raises(kt.InputError, match="3 channels"):
        taught(grey, data)
    with pytest.raises(kt.InputError, match="linear in the features"):
        kt.distill(teacher, build(head="mlp"), data, schedule="solve")
    with pytest.raises(kt.InputError, match="student with activation='softmax'"):
        kt.distill(teacher, build(activation="sigmoid"), data)


def test_one_hot_labels_and_images_of_the_data_itself(teacher, data):
    images = np.concatenate([data.splits[name].items for name in ("train", "validation")])
    both = np.concatenate([images, shades(6)[0]])
    history = taught(teacher, data.one_hot(), kt.data.unlabelled(both, image_size=32), schedule="solve")[1]
    assert np.isfinite(history.history["val_loss"]).all()
    found = _with_unlabelled(data, kt.data.unlabelled(both, image_size=32), 0)
    assert len(found.splits["train"]) == len(data.splits["train"]) + 6


def test_groups_stay_together(data):
    grouped = data.splits["train"].take(np.arange(20))
    grouped = replace(data, splits={**data.splits, "train": replace(grouped, groups=np.arange(20) // 2)})
    found = _with_unlabelled(grouped, kt.data.unlabelled(shades(6)[0], image_size=32), 0).splits["train"].groups
    assert found[:20].tolist() == (np.arange(20) // 2).tolist() and len(set(found[20:])) == 6
    assert not set(found[:20]) & set(found[20:])


@pytest.mark.slow
def test_classes_that_are_drawn_evenly_weigh_the_same_in_a_solved_head(teacher):
    labels = np.repeat([0, 1, 2], (40, 20, 10))
    alike = kt.data.from_arrays(np.zeros((70, 32, 32, 3), "uint8"), labels, class_names=["a", "b", "c"], image_size=32)
    plain, even = (
        taught(teacher, each, schedule="solve", weight=0.0)[0].predict(alike.validation, verbose=0)[0]
        for each in (alike, alike.balanced())
    )
    np.testing.assert_allclose(plain, np.array([4, 2, 1]) / 7, atol=0.02)
    np.testing.assert_allclose(even, np.ones(3) / 3, atol=0.02)
