"""Engines: each gives TensorFlow's numbers, and the cache takes the one that is worth it."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import mostly_slow
from networks import part_named, toy_backbone

import keras_transfer as kt
from keras_transfer.caching import activations
from keras_transfer.caching.folder import clear
from keras_transfer.caching.identity import key_of
from keras_transfer.engines import ENGINES, Engine, choose, choosing
from keras_transfer.models.backbones.applications import BACKBONES

RNG = np.random.default_rng(0)
OTHERS = [name for name in ENGINES.names() if name != "tensorflow"]


def images_for(model, count=3):
    return RNG.integers(0, 256, (count, *model.input_shape[1:])).astype("float32")


@pytest.mark.parametrize("engine", OTHERS)
@pytest.mark.parametrize(
    "name",
    ["toy", "ConvNeXtTiny up to stage0", *(pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES.names())],
)
def test_every_engine_gives_tensorflows_numbers(engine, name):
    part = part_named(name)
    model = kt.build_model(part, 2, weights=None, image_size=max(32, part.min_image_size))
    prefix = kt.split(model, "features")[0]
    images = images_for(model)
    expected = ENGINES.find("tensorflow").compile(prefix)(images)
    run = ENGINES.find(engine).compile(prefix)
    for batch in (images, images[:1], images[:2]):
        (found,) = run(batch)
        assert choosing.relative_difference(found, expected[0][: len(batch)]) <= choosing.CLOSE
    assert found.dtype == np.float32 and found.std() > 0


@pytest.mark.parametrize("name", ["toy", *(pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES.names())])
def test_training_on_every_engines_activations_ends_in_the_weights_of_training_on_images(name):
    """Six steps of SGD, at rates of 1e-2 for the head and 1e-3 with the last stage.

    An engine that is refused would be a warning, which is an error here.
    """
    part = part_named(name)
    model = kt.build_model(part, 2, weights=None, image_size=max(32, part.min_image_size))
    data = kt.data.from_arrays(images_for(model, 8).astype("uint8"), np.arange(8) % 2, batch_size=4, seed=0)
    phases = (kt.Phase(2, "head", 1e-2), kt.Phase(1, min(1, len(kt.stages(model)) - 1), 1e-3))
    start, ends = model.get_weights(), []
    for cache in (False, *(kt.Cache("memory", engine=engine) for engine in ENGINES.names())):
        model.set_weights(start)
        kt.fine_tune(model, data, schedule=phases, optimizer=keras.optimizers.SGD(clipnorm=1.0), cache=cache, verbose=0)
        ends.append(model.get_weights())
    for plain, *cached in zip(*ends, strict=True):
        for found in cached:
            assert np.abs(plain - found).max() <= 1e-5 * max(np.abs(plain).max(), 1e-2)  # or of the rate


@pytest.mark.parametrize("engine", OTHERS)
def test_several_tensors_keep_their_order(engine):
    model = kt.build_model(toy_backbone(), 2)
    ends = [model.get_layer(f"stage_{stage}").output for stage in ("early", "middle", "late")]
    prefix = keras.Model(model.input, [ends[2], ends[0], model.get_layer("features").output, ends[1]])
    images = images_for(model)
    expected = ENGINES.find("tensorflow").compile(prefix)(images)
    found = ENGINES.find(engine).compile(prefix)(images)
    again = ENGINES.find(engine).compile(prefix)(images)
    assert [each.shape for each in found] == [each.shape for each in expected]
    assert max(map(choosing.relative_difference, found, expected)) <= choosing.CLOSE
    assert all(np.array_equal(*pair) for pair in zip(found, again, strict=True))


@pytest.mark.parametrize("engine", OTHERS)
def test_an_answer_is_not_overwritten_by_the_next(engine):
    model = kt.split(kt.build_model(toy_backbone(), 2), "features")[0]
    run = ENGINES.find(engine).compile(model)
    images = images_for(model, 4)
    (first,) = run(images[:2])
    kept = first.copy()
    run(images[2:])
    assert np.array_equal(first, kept)


@pytest.fixture
def prefix():
    return kt.split(kt.build_model(toy_backbone(), 2), "features")[0]


def registered(monkeypatch, name, compile_model, packages=("numpy",)):
    monkeypatch.setitem(ENGINES._parts, name, Engine(packages, "onnx", compile_model, 2.0))


def wrong(model):
    plain = ENGINES.find("tensorflow").compile(model)
    return lambda images: [values * 1.001 for values in plain(images)]


def failing(model):
    raise RuntimeError("no such operation\nand a stack of names")


def test_an_engine_with_other_numbers_or_errors_is_refused(prefix, monkeypatch):
    registered(monkeypatch, "wrong", wrong)
    registered(monkeypatch, "failing", failing)
    registered(monkeypatch, "absent", failing, ("no_such_package",))
    images = images_for(prefix)
    with pytest.raises(kt.InputError, match=r"'wrong' gives other numbers.*1e-03"):
        choose(prefix, images, 10, "wrong")
    with pytest.raises(kt.InputError, match=r"'failing' cannot run .* \(RuntimeError: no such operation\)"):
        choose(prefix, images, 10, "failing")
    with pytest.raises(kt.InputError, match=r"pip install 'keras-transfer\[onnx\]'"):
        choose(prefix, images, 10, "absent")
    monkeypatch.setattr(choosing, "_WORTH", 0.0)
    for name in OTHERS:
        monkeypatch.delitem(ENGINES._parts, name)
    found = choose(prefix, images, 10**9)
    assert found.name == "tensorflow", "the others are passed over"
    assert "'wrong' gives other numbers" in found.why and "RuntimeError: no such operation" in found.why


def test_the_fastest_is_chosen_where_there_is_work_for_it(prefix, monkeypatch):
    plain = ENGINES.find("tensorflow").compile(prefix)
    for name in OTHERS:
        monkeypatch.delitem(ENGINES._parts, name)
    registered(monkeypatch, "quick", lambda model: plain)
    seconds = {"quick": 0.001, "tensorflow": 1.0}
    monkeypatch.setattr(choosing, "_seconds", lambda run, sample: seconds["quick" if run is plain else "tensorflow"])
    images = images_for(prefix)
    assert choose(prefix, images, 10).name == "tensorflow", "few images are not worth compiling for"
    found = choose(prefix, images, 1000)
    assert found.name == "quick" and found.difference == 0 and "3000 images a second, TensorFlow 3" in found.why
    seconds["quick"] = 2.0
    assert choose(prefix, images, 1000).name == "tensorflow", "a slower one is not taken"


@pytest.mark.parametrize(("images", "slowly", "tried"), [(90, 0, False), (600, 0, True), (600, 12, False)])
def test_a_second_engine_is_tried_only_where_much_work_is_left(prefix, monkeypatch, images, slowly, tried):
    """TensorFlow takes 1 second for 3 images, the first engine a half; compiling takes 2 seconds or six times that."""
    plain, compiled = ENGINES.find("tensorflow").compile(prefix), []
    for name in OTHERS:
        monkeypatch.delitem(ENGINES._parts, name)
    clock = iter(np.arange(1000) * float(slowly))
    monkeypatch.setattr(choosing, "perf_counter", lambda: next(clock))
    for name in ("first", "second"):
        registered(monkeypatch, name, lambda model, name=name: compiled.append(name) or plain)
    monkeypatch.setattr(choosing, "_seconds", lambda run, sample: 0.5 if run is plain else 1.0)
    assert choose(prefix, images_for(prefix), images).name == "first"
    assert compiled == (["first", "second"] if tried else ["first"])


@pytest.fixture
def data():
    return kt.data.from_arrays(RNG.integers(0, 256, (24, 32, 32, 3)).astype("uint8"), np.arange(24) % 2)


@pytest.mark.parametrize(("engine", "where"), mostly_slow(list(zip(OTHERS, ("disk", "memory"), strict=True))))
def test_the_cache_computes_with_the_engine_that_is_asked_for(engine, where, data, tmp_path):
    model = kt.build_model(toy_backbone(), 2)
    histories = {}
    for name in ("tensorflow", engine):
        keras.utils.set_random_seed(0)
        trained = kt.build_model(toy_backbone(), 2)
        trained.set_weights(model.get_weights())
        cache = kt.Cache(where, folder=tmp_path, engine=name)
        histories[name] = kt.fine_tune(trained, data, epochs=3, cache=cache, verbose=0).history
    assert np.allclose(histories[engine]["val_loss"], histories["tensorflow"]["val_loss"], rtol=1e-3)
    prefix = kt.split(model, "features")[0]
    assert key_of(prefix, data, "train", 0, "float32", engine) != key_of(prefix, data, "train", 0, "float32")


def test_the_choice_is_made_once_and_remembered(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(activations, "_FEW", 10)
    asked = []
    real = activations.choose

    def counted(model, sample, images, asked_for="auto"):
        asked.append((asked_for, images))
        return real(model, sample, images, "openvino" if asked_for == "auto" else asked_for)

    monkeypatch.setattr(activations, "choose", counted)
    model = kt.build_model(toy_backbone(), 2)
    for _ in range(2):
        cached = kt.CachedDataset(model, data, cache=kt.Cache("memory", folder=tmp_path))
        (features, _), *_ = cached.validation
    assert asked == [("auto", 24), ("openvino", 0)], "the second run takes what the first one chose"
    assert "cache: computed by openvino, as asked; differs by" in capsys.readouterr().out
    (record,) = (tmp_path / "engines").iterdir()
    assert json.loads(record.read_text())["engine"] == "openvino"
    assert json.loads(record.read_text())["difference"] <= 1e-5
    expected, _ = kt.extract_features(model, data.validation, verbose=0)
    assert np.allclose(features, expected[: len(features)], rtol=1e-4, atol=1e-6)
    clear(tmp_path)
    assert not (tmp_path / "engines").exists()


def test_a_choice_that_does_not_hold_for_other_weights_is_left(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(activations, "_FEW", 10)
    registered(monkeypatch, "wrong", wrong)
    monkeypatch.setattr(activations, "recalled", lambda folder, prefix: "wrong")
    model = kt.build_model(toy_backbone(), 2)
    cached = kt.CachedDataset(model, data, cache=kt.Cache("memory", folder=tmp_path), verbose=0)
    (features, _), *_ = cached.validation
    expected, _ = kt.extract_features(model, data.validation, verbose=0)
    assert np.array_equal(features, expected[: len(features)])
    assert "cache: computed by tensorflow; The engine 'wrong' gives other numbers" in capsys.readouterr().out


def test_few_images_are_computed_by_tensorflow(data, tmp_path):
    kt.CachedDataset(kt.build_model(toy_backbone(), 2), data, cache=kt.Cache("memory", folder=tmp_path), verbose=0)
    assert not list(tmp_path.iterdir()), "nothing is measured, nothing is remembered"


@pytest.mark.parametrize("engine", ["cuda", 3, None])
def test_other_engines_are_refused(engine):
    with pytest.raises(kt.InputError, match="'auto', 'tensorflow'|auto, tensorflow|auto"):
        kt.Cache(engine=engine)


@pytest.mark.parametrize("engine", OTHERS)
def test_features_and_evaluation_are_the_same_with_every_engine(engine, data, monkeypatch):
    model = kt.build_model(toy_backbone(), 2)
    expected, labels = kt.extract_features(model, data, engine="tensorflow", verbose=0)
    found, again = kt.extract_features(model, data, engine=engine, verbose=0)
    assert choosing.relative_difference(found, expected) <= choosing.CLOSE and np.array_equal(labels, again)
    plain = kt.evaluate(model, data.train, engine="tensorflow").metrics
    assert kt.evaluate(model, data.train, engine=engine).metrics == pytest.approx(plain, rel=1e-4)
    with pytest.raises(kt.InputError, match="engine"):
        kt.evaluate(model, data.train, engine="tensorrt")


def test_evaluation_turns_to_another_engine_where_many_batches_are_left(data, monkeypatch):
    model = kt.build_model(toy_backbone(), 2)
    asked = []

    def noted(model, sample, images, engine="auto"):
        asked.append(images)
        return choose(model, sample, images, "tensorflow")

    monkeypatch.setattr("keras_transfer.engines.choosing.choose", noted)
    images = np.concatenate([batch for batch, _ in data.train.as_numpy_iterator()])
    batches = tf.data.Dataset.from_tensor_slices((images, np.arange(len(images)) % 2)).batch(2)
    plain = kt.evaluate(model, batches).metrics
    assert asked == []
    monkeypatch.setattr("keras_transfer.insight.asking._WORTH", 0.0)
    assert kt.evaluate(model, batches).metrics == pytest.approx(plain, rel=1e-5)
    assert asked == [(len(images) // 2 - 2) * 2]
