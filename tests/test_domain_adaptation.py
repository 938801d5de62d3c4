"""adapt: a labelled source, a target without labels, and what every method promises in training."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import COLOURS, make_lively, mostly_slow, toy_backbone
from networks import computing_in

import keras_transfer as kt
from keras_transfer.adaptation.watching import network_of, outputs_of
from keras_transfer.caching.activations import Activations
from keras_transfer.data.sources.unlabelled import blinded, is_labelled

METHODS = kt.available("alignment")
LAST = (kt.Phase(2, 1, 1e-2),)  # the last stage and the head
ONCE = (kt.Phase(1, 1, 1e-2),)
slow = pytest.mark.slow


def pictures(count: int = 48, light: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures of three colours, the target's in worse light."""
    rng, labels = np.random.default_rng(seed), np.arange(count) % 3
    colours = np.array(list(COLOURS.values()))[labels][:, None, None] * light
    images = np.clip(colours + rng.normal(scale=25, size=(count, 24, 24, 3)), 0, 255)
    return images.astype("uint8"), labels


def build(head: str = "linear") -> keras.Model:
    keras.utils.set_random_seed(0)
    part = toy_backbone()
    make_lively(part.network, part, pictures()[0])
    return kt.build_model(part, 3, image_size=24, head=head)


@pytest.fixture(scope="module")
def source() -> kt.data.ImageData:
    return kt.data.from_arrays(*pictures(), batch_size=8, seed=1)


@pytest.fixture(scope="module")
def target() -> kt.data.ImageData:
    return kt.data.from_arrays(*pictures(light=0.7, seed=1), batch_size=8, seed=2)


def run(model, source, target, method="mcc", **options) -> keras.callbacks.History:
    """Adapts with the domains that a method takes."""
    if method == "mixstyle":
        source, target = [source, target], None
    return kt.adapt(model, source, target, method=method, **{"schedule": LAST, "verbose": 0, **options})


def parts(model: keras.Model) -> dict[str, np.ndarray]:
    return {weight.path: np.array(weight) for weight in model.weights}


def is_open(path: str) -> bool:
    return path.startswith(("third", "logits"))


# contract, over the registry


FAST = ("adabn", "dann", "mcc", "mixstyle")  # one of each kind; the others with `make test-slow`


@pytest.mark.parametrize("method", [pytest.param(name, marks=() if name in FAST else slow) for name in METHODS])
def test_no_method_moves_what_is_frozen_and_each_trains_what_is_open(method, source, target):
    """AdaBN is the one exception: statistics of BatchNorm, all of them, and nothing else that is frozen."""
    model = build()
    before, layers = parts(model), [layer.name for layer in model.layers]
    history = run(model, source, target, method, schedule=ONCE)
    after = parts(model)
    moved = {path for path in before if not np.array_equal(before[path], after[path])}
    statistics = {path for path in before if "moving" in path}
    if method == "adabn":
        assert statistics <= moved
        moved -= statistics
    assert moved and all(is_open(path) for path in moved), moved
    assert {"third/kernel", "logits/kernel"} <= moved, "gradients reach the backbone through the open stage"
    assert all(np.isfinite(values).all() for values in history.history.values())
    assert type(model).__name__ == "Functional" and [layer.name for layer in model.layers] == layers
    assert set(before) == set(after)
    assert not any("call" in mark.__dict__ for mark in model.layers if "stage_" in mark.name)


@slow
@pytest.mark.parametrize("method", ["coral", "dann", "jmmd", "mcc"])
def test_with_the_head_alone_open_the_backbone_gets_no_gradient(method, source, target):
    model = build("mlp")
    before = parts(model)
    run(model, source, target, method, schedule="feature_extraction", epochs=1)
    moved = {path for path, value in parts(model).items() if not np.array_equal(before[path], value)}
    assert moved and all(path.startswith(("hidden", "logits")) for path in moved)


@pytest.mark.parametrize(
    ("policy", "method"),
    [
        ("mixed_float16", "cdan"),
        *(pytest.param(policy, name, marks=slow) for policy in ("mixed_float16", "mixed_bfloat16") for name in METHODS),
    ],
)
def test_mixed_precision_works(policy, method, source, target):
    with computing_in(policy):
        model = build()
        history = run(model, source, target, method)
    losses, alignments = (np.array(history.history[name]) for name in ("loss", "alignment"))
    task = losses - alignments  # an adversary's loss may rise: that is what the network wants
    assert np.isfinite(losses).all() and task[-1] < task[0]


@slow
@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_numbers(method, source, target):
    found = []
    for _ in range(2):
        model = build()
        found.append((run(model, source, target, method, schedule=ONCE).history, model.get_weights()))
    (first, weights), (second, others) = found
    assert first.keys() == second.keys() and all(np.allclose(first[key], second[key], atol=1e-6) for key in first)
    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(weights, others, strict=True))


@pytest.mark.parametrize("method", ["mixstyle", pytest.param("coral", marks=slow), pytest.param("dann", marks=slow)])
def test_the_cache_changes_nothing(method, source, target):
    weights = []
    for cache in (False, "memory"):
        model = build()
        run(model, source, target, method, cache=cache, optimizer="sgd")
        weights.append(model.get_weights())
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(*weights, strict=True))


def skipping_network() -> keras.Model:
    """Two tensors enter the last stage: what the stage before gives, and what the first gives."""
    layers = keras.layers
    images = keras.Input((24, 24, 3))
    early = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="early")(images)
    middle = layers.Conv2D(4, 3, padding="same", activation="relu", name="middle")(early)
    late = layers.Conv2D(6, 3, padding="same", activation="relu", name="third")(layers.Concatenate()([early, middle]))
    return keras.Model(images, late)


@pytest.mark.slow
def test_styles_are_mixed_alike_with_and_without_the_cache_where_several_tensors_cross_the_cut(source, target):
    stages = (("early", "early"), ("middle", "middle"), ("late", "third"))
    before, weights = [], []
    for cache in (False, "memory"):
        keras.utils.set_random_seed(0)
        model = kt.build_model(kt.Backbone(skipping_network(), None, 24, stages=stages), 3, image_size=24)
        before.append(model.get_weights())
        mixing = kt.alignment.MixStyle(probability=1.0, alpha=1.0)
        kt.adapt(model, [source, target], None, method=mixing, schedule=ONCE, cache=cache, optimizer="sgd", verbose=0)
        weights.append(model.get_weights())
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(*weights, strict=True))
    assert not np.allclose(weights[0][-4], before[0][-4], atol=1e-4), "the last stage learnt"


# what a method does


@pytest.mark.slow
def test_with_weight_0_it_is_the_training_on_the_source_alone(source, target):
    """With open BatchNorm too, but for its moving statistics, which follow the target as well."""
    found = []
    for method, weight in (("none", 1.0), ("dann", 0.0)):
        model = build()
        model.get_layer("noise").stddev = 0.0  # drawn twice a step where there is a target
        run(model, source, target, method, weight=weight, schedule=ONCE, train_batch_norm=True)
        found.append(parts(model))
    differ = {path for path, value in found[0].items() if not np.allclose(value, found[1][path], atol=1e-5)}
    assert differ == {"third_bn/moving_mean", "third_bn/moving_variance"}


@slow
def test_an_alignment_of_features_brings_them_together(source, target):
    def distance(model: keras.Model) -> float:
        network = keras.Model(model.inputs, model.get_layer("features").output)
        means = [network.predict(data.in_order("train"), verbose=0).mean(axis=0) for data in (source, target)]
        return float(np.linalg.norm(means[0] - means[1]))

    apart, together = build(), build()
    run(apart, source, target, "none")
    run(together, source, target, "mmd", weight=10.0)
    assert distance(together) < 0.5 * distance(apart)


def test_without_a_source_the_head_stays_and_predictions_grow_sure(source, target):
    model = build()
    kt.fine_tune(model, source, schedule="feature_extraction", epochs=4, learning_rate=1e-2, verbose=0)
    before = parts(model)
    history = kt.adapt(model, None, target, method="information_maximization", epochs=3, learning_rate=3e-3, verbose=0)
    moved = {path for path, value in parts(model).items() if not np.array_equal(before[path], value)}
    assert moved and all(path.startswith("third") for path in moved)
    assert history.history["loss"][-1] < history.history["loss"][0] and "accuracy" not in history.history


def test_adabn_without_a_source_gives_statistics_of_the_target_and_nothing_else(target):
    model = build()
    before = parts(model)
    history = kt.adapt(model, None, target, method="adabn", verbose=0)
    after = parts(model)
    assert {path for path in before if not np.array_equal(before[path], after[path])} == {
        path for path in before if "moving" in path
    }
    images = target.splits["train"].items.astype("float32") / 127.5 - 1
    maps = model.get_layer("first")(images).numpy()
    assert np.allclose(after["first_bn/moving_mean"], maps.mean(axis=(0, 1, 2)), atol=1e-4)
    assert np.allclose(after["first_bn/moving_variance"], maps.var(axis=(0, 1, 2)), rtol=1e-3)
    assert history.history == {}
    with pytest.raises(kt.InputError, match="a model with BatchNorm"):
        plain = keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Conv2D(4, 3)])
        kt.adapt(kt.build_model(plain, 3, image_size=24), None, target, method="adabn", verbose=0)


# labels of the target


@pytest.mark.slow
def test_shuffled_labels_of_the_target_change_nothing_but_the_report(source, target):
    examples = {
        name: dataclasses.replace(part, labels=np.random.default_rng(0).permutation(part.labels))
        for name, part in target.splits.items()
    }
    shuffled = dataclasses.replace(target, splits=examples)
    found = []
    for data in (target, shuffled):
        model = build()
        choice = kt.choose_adaptation(
            model, source, data, candidates=["none", "coral"], options={"schedule": ONCE}, verbose=0
        )
        report = kt.adaptation_report(model, source, data)
        found.append((model.get_weights(), choice.to_dict(), report))
    (weights, choice, report), (others, other_choice, other_report) = found
    assert all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))
    assert choice == other_choice and report.target_shares == other_report.target_shares
    assert report.accuracy["after"].metrics["accuracy"] != other_report.accuracy["after"].metrics["accuracy"]


def test_labels_are_gone_before_training_begins(target):
    assert is_labelled(target) and not is_labelled(blinded(target))
    for split in ("train", "validation"):
        for _, labels in getattr(blinded(target), split):
            assert np.isnan(labels).all()


# choosing


def test_the_validator_is_in_the_history_and_patience_follows_it(source, target):
    model = build()
    history = run(model, source, target, validator="entropy", schedule=(kt.Phase(9, "head", 1e-20),), patience=2)
    assert history.validator == "val_entropy" and len(history.epoch) == 3, "nothing changes, so no epoch is better"


@pytest.mark.slow
def test_a_validator_of_ones_own_chooses_the_epoch(source, target):
    calls: list[int] = []

    def first_is_best(source, target):
        assert target.labels is None or np.isnan(target.labels).all()
        calls.append(1)
        return -float(len(calls))

    model, weights = build(), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    run(model, source, target, validator=first_is_best, callbacks=[keep])
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), weights[0], strict=True))


@pytest.mark.parametrize("cache", mostly_slow(["memory", False]))
def test_several_sources_are_judged_together(source, target, cache):
    """By a validator, and by what Keras shows of the validation images."""
    asked, model = [], build()

    def count(source, target):
        asked.append(source)
        return float(len(source.labels))

    head = (kt.Phase(1, "head", 1e-2),)
    history = run(model, [source, target], None, "none", schedule=head, cache=cache, validator=count)
    labels = np.concatenate([data.splits["validation"].labels for data in (source, target)])
    assert np.array_equal(asked[-1].labels, labels)
    probabilities = np.concatenate([model.predict(data.validation, verbose=0) for data in (source, target)])
    expected = (probabilities.argmax(axis=1) == labels).mean()
    assert history.history["val_accuracy"] == pytest.approx([expected])


@pytest.mark.slow
def test_the_choice_keeps_the_weights_of_the_best_candidate(source, target):
    model = build()
    before = model.get_weights()
    choice = kt.choose_adaptation(
        model, source, target, candidates=["none", ("mcc", 0.5)], options={"schedule": ONCE}, verbose=0
    )
    assert list(choice.scores) == ["none", "mcc x0.5"] and "chosen" in str(choice)
    assert choice.scores[choice.chosen] == max(choice.scores.values())
    found, method = model.get_weights(), choice.chosen.split()[0]
    model.set_weights(before)
    run(model, source, target, method, weight=0.5 if method == "mcc" else 1.0, schedule=ONCE)
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(model.get_weights(), found, strict=True))
    for wrong in ({"candidates": []}, {"candidates": ["mcc"], "options": {"weight": 2}}, {"candidates": [("mcc", -1)]}):
        with pytest.raises(kt.InputError):
            kt.choose_adaptation(model, source, target, **wrong)


@pytest.fixture
def passes(monkeypatch) -> list[str]:
    """The splits whose images run through a frozen part, in their order."""
    found: list[str] = []
    run_images = Activations._run

    def counted(self, split, writers):
        found.append(split)
        run_images(self, split, writers)

    monkeypatch.setattr(Activations, "_run", counted)
    return found


@pytest.mark.slow
def test_candidates_share_what_is_frozen_and_find_the_numbers_they_find_alone(source, target, passes):
    """AdaBN changes frozen layers, and must not spoil what the next candidate takes over."""
    model = build()
    before = model.get_weights()
    options = {"schedule": (kt.Phase(1, "head", 1e-2),), "cache": "memory"}
    choice = kt.choose_adaptation(model, source, target, candidates=["adabn", "mcc"], options=options, verbose=0)
    assert sorted(passes) == ["train", "train", "validation", "validation"], "of source and target, once each"
    model.set_weights(before)
    alone = run(model, source, target, "mcc", **options)
    assert alone.history == choice.histories["mcc"].history and alone.score == choice.scores["mcc"]


@pytest.mark.slow
def test_adabn_is_judged_by_what_it_predicts_with_the_targets_statistics(source, target):
    model = build()
    history = run(model, source, target, "adabn", schedule=ONCE)
    images = target.validation.map(lambda images, labels: images)
    judge = kt.validators.VALIDATORS.find("information_maximization")
    assert history.score == pytest.approx(judge(None, outputs_of(network_of(model), images)), abs=1e-5)
    choice = kt.choose_adaptation(build(), None, target, candidates=["adabn"], verbose=0)
    assert np.isfinite(choice.scores["adabn"]), "without a phase to train too"


# a run that diverges, or is killed


def test_a_run_that_diverges_is_stopped_and_said_and_keeps_the_best_weights(source, target):
    calls = tf.Variable(0)

    def explodes(source, target):
        epoch = calls.assign_add(1) // 5  # 38 images in batches of 8: four steps an epoch
        return tf.where(epoch < 1, 0.0, float("nan")) * tf.reduce_sum(source.features)

    model, weights = build(), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    with pytest.warns(kt.DataWarning, match="diverged in epoch 2"):
        history = run(model, source, target, explodes, schedule=(kt.Phase(5, 1, 1e-3),), callbacks=[keep])
    assert len(history.epoch) == 2 and not np.isfinite(history.history["loss"][1])
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), weights[0], strict=True))


def test_a_run_that_diverges_at_once_leaves_the_weights_it_began_with(source, target):
    model = build()
    before = parts(model)
    with pytest.warns(kt.DataWarning, match="diverged in epoch 1"):
        run(model, source, target, lambda source, target: tf.reduce_sum(source.features) * float("nan"))
    assert all(np.array_equal(before[path], value) for path, value in parts(model).items())


def test_a_validator_that_gives_no_number_is_named_and_does_not_end_the_training(source, target):
    values = iter([1.0, float("nan"), 0.5])

    def moody(source, target):
        return next(values)

    model, weights = build(), []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    with pytest.warns(kt.DataWarning, match="'moody' gave nan for epoch 2, which is not chosen") as told:
        history = run(model, source, target, validator=moody, schedule=(kt.Phase(3, "head", 1e-2),), callbacks=[keep])
    assert not any("diverged" in str(each.message) for each in told)
    assert len(history.epoch) == 3 and history.score == 1.0
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), weights[0], strict=True))


@pytest.mark.filterwarnings("ignore:The validator")
def test_where_no_candidate_has_a_score_the_validator_is_named(source, target):
    def mute(source, target):
        return float("nan")

    model = build()
    before = model.get_weights()
    with pytest.raises(kt.InputError, match="'mute' gave no finite number for any candidate"):
        kt.choose_adaptation(
            model, source, target, candidates=["none"], validator=mute, options={"schedule": ONCE}, verbose=0
        )
    assert all(np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True))


def test_a_model_that_diverges_in_its_last_step_is_not_kept(source, target):
    """The mean loss of the epoch is finite then, and no validator is asked about what is no number."""
    calls = tf.Variable(0)

    def explodes_last(source, target):
        last = tf.equal(calls.assign_add(1), 5)  # 39 images in batches of 8: four steps an epoch
        return tf.where(last, 1e30, 0.0) * tf.reduce_sum(source.features**2)

    model = build()
    with pytest.warns(kt.DataWarning, match="diverged in epoch 1"):
        history = run(
            model,
            source,
            target,
            explodes_last,
            validator="deep_embedded_validation",
            schedule=(kt.Phase(1, 1, 1e30),),
            optimizer="sgd",
        )
    assert all(np.isfinite(value).all() for value in parts(model).values()) and np.isnan(history.score)


class Killed(Exception):
    pass


def kill_after_one(epoch: int, logs: dict[str, float]) -> None:
    if epoch == 1:
        raise Killed


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_weights_it_would_have_had(source, target, tmp_path):
    """The discriminator and its Adam are part of what is kept."""
    options = {"schedule": (kt.Phase(3, 1, 1e-2),), "resume_dir": tmp_path / "run"}
    whole, resumed = build(), build()
    run(whole, source, target, "dann", schedule=options["schedule"])
    killed = keras.callbacks.LambdaCallback(on_epoch_begin=kill_after_one)
    with pytest.raises(Killed):
        run(build(), source, target, "dann", callbacks=[killed], **options)
    history = run(resumed, source, target, "dann", **options)
    assert len(history.epoch) == 3
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    with pytest.raises(kt.InputError, match="holds another: method"):
        run(build(), source, target, "dann", weight=0.5, **options)


@pytest.mark.slow
def test_a_run_by_a_function_of_ones_own_goes_on_in_another_process(source, target, tmp_path):
    """There the function lies at another address."""

    def define():
        def kernel(squared):
            return tf.exp(-squared)

        return kernel

    options = {"schedule": (kt.Phase(2, "head", 1e-2),), "resume_dir": tmp_path / "run"}
    killed = keras.callbacks.LambdaCallback(on_epoch_begin=kill_after_one)
    with pytest.raises(Killed):
        run(build(), source, target, kt.alignment.MMD(define()), callbacks=[killed], **options)
    assert len(run(build(), source, target, kt.alignment.MMD(define()), **options).epoch) == 2
    with pytest.raises(kt.InputError, match="holds another: method"):
        run(build(), source, target, kt.alignment.MMD(define(), bandwidths=(1.0,)), **options)


# bad input


def test_what_does_not_fit_is_refused_before_training(source, target):
    images, labels = pictures()
    other = kt.data.from_arrays(images, labels, class_names=["blue", "green", "violet"], batch_size=8)
    large = kt.data.unlabelled(np.zeros((9, 32, 32, 3), "uint8"), batch_size=8)
    few = kt.data.unlabelled(np.zeros((2, 24, 24, 3), "uint8"), batch_size=8)
    single = kt.data.unlabelled(images, batch_size=1)
    same = dataclasses.replace(source)
    cases = [
        ((source, other), {}, "with the classes of the source.*kt.data.unlabelled"),
        ((source, source), {}, "the same data as source and target"),
        ((source, same), {}, "the same images as source and target"),
        ((source, large), {}, "Give both the same image_size"),
        ((source, few), {"method": "coral"}, "batches of 2 images or more.*1 training images of the target"),
        ((source, single), {"method": "mmd"}, "batches of 1"),
        ((source, target), {"method": "mccc"}, "Did you mean 'mcc'"),
        ((source, target), {"weight": -1}, "`weight` to be a number of 0 or more"),
        ((source, target), {"weight": float("nan")}, "`weight` to be a number of 0 or more"),
        ((source, target), {"validator": "entropi"}, "Did you mean 'entropy'"),
        ((source, target), {"patience": 0}, "`patience`"),
        ((source, None), {}, "Expected a `target`"),
        ((source, None), {"method": "adabn"}, "Expected a `target` for 'adabn'"),
        ((None, target), {}, "Expected a labelled `source`"),
        ((None, target), {"method": "information_maximization", "validator": "source_accuracy"}, "labelled source"),
        ((None, target), {"method": "information_maximization", "schedule": LAST[:0]}, "Phase"),
        ((None, target), {"method": "information_maximization", "schedule": "feature_extraction"}, "open a stage"),
        ((None, None), {"method": "information_maximization"}, "Expected a `target`"),
        (([source, other], None), {"method": "mixstyle"}, "the same classes in all sources"),
        (
            (source, None),
            {"method": "mixstyle", "schedule": "feature_extraction"},
            "opens a stage, for 'mixstyle'",
        ),
        ((kt.data.unlabelled(images), target), {}, "model with 1 outputs"),
        ((source, target.train), {}, "`target` from kt.data"),
    ]
    model = build()
    before = model.get_weights()
    for domains, options, message in cases:
        with pytest.raises(kt.InputError, match=message):
            kt.adapt(model, *domains, **{"verbose": 0, **options})
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)), message


def test_a_model_of_other_making_or_task_is_refused(source, target):
    with pytest.raises(kt.InputError, match="made by keras_transfer.build_model"):
        kt.adapt(keras.Sequential([keras.Input((24, 24, 3)), keras.layers.Flatten()]), source, target)
    with pytest.raises(kt.InputError, match="activation='softmax'"):
        kt.adapt(kt.build_model(toy_backbone(), 3, image_size=24, activation="sigmoid"), source, target)


def test_one_folder_as_both_domains_is_refused_and_shared_pictures_are_told(data, pictures):
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    again = kt.data.unlabelled(pictures, image_size=32, batch_size=8)
    with pytest.raises(kt.InputError, match="a target of 30 images, all of which are in the source too, both in"):
        kt.adapt(model, data, again, verbose=0)
    red = kt.data.unlabelled(pictures / "red", image_size=32, batch_size=8)
    with pytest.raises(kt.InputError, match="a target of 10 images, all of which"):
        kt.adapt(model, data, red, verbose=0)
