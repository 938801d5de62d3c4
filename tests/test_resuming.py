"""A run that is killed goes on, and ends with the weights it would have had."""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import toy_backbone

import keras_transfer as kt
from keras_transfer._folders import locked_folder
from keras_transfer.models.freezing import random_states
from keras_transfer.training.run_identity import changes, identity, optimizer_identity

PHASES = (kt.Phase(2, "head", 1e-2), kt.Phase(2, 1, 1e-3), kt.Phase(2, "all", 1e-4))


class Kill(keras.callbacks.Callback):
    """Kills its process, with no time for last words, in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch == self.epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now and batch == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def run(door, pictures, folder, kill_at, writing):
    """Trains in a process of its own. Writes the final weights, unless it is killed before."""
    keras.utils.set_random_seed(3)
    tf.config.experimental.enable_op_determinism()
    if writing:  # killed while the epoch is being kept, with half of it on disk
        write, seen = np.savez, []

        def savez(file, **arrays):
            seen.append(file)
            if len(seen) == kill_at + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            write(file, **arrays)

        np.savez = savez
    with np.load(pictures) as kept:
        data = kt.data.from_arrays(kept["images"], kept["labels"], batch_size=8, augment="light", seed=3)
    model = kt.build_model(toy_backbone(), 3, image_size=32, head="mlp")  # its head has Dropout and BatchNorm
    callbacks = [] if writing else [Kill(kill_at)]
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=1.0)
    if door == "fine_tune":
        optimizer = keras.optimizers.Adam(use_ema=True)
        history = kt.fine_tune(
            model,
            data,
            schedule=PHASES,
            optimizer=optimizer,
            callbacks=[plateau, *callbacks],
            resume_dir=folder / "kept",
            rate=None if door == "rate" else "constant",
            verbose=0,
        )
        record = {"epochs": history.epoch, "boundaries": history.boundaries, **history.history}
    else:
        by_metric = {"monitor": keras.callbacks.EarlyStopping("loss", patience=1, min_delta=1.0)}
        unfreeze = kt.UnfreezeSchedule(PHASES, **(by_metric if door == "plateau" else {}))
        order = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: data.start_epoch(epoch))
        backup = keras.callbacks.BackupAndRestore(folder / "backup", double_checkpoint=True)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(data.train, epochs=6, verbose=0, shuffle=False, callbacks=[unfreeze, order, backup, *callbacks])
        record = {"began": unfreeze.began}
    record["rate"] = float(model.optimizer.learning_rate)
    record["trainable"] = [variable.path for variable in model.trainable_variables]
    np.savez(folder / "weights.npz", *model.get_weights(), *[np.array(v) for v in model.optimizer.variables])
    (folder / "record.json").write_text(json.dumps(record, default=float))


@pytest.fixture(scope="module")
def data(arrays) -> kt.data.ImageData:
    return arrays


@pytest.fixture(scope="module")
def coloured(arrays, tmp_path_factory):
    """Pictures and labels in a file, for processes of their own."""
    file = tmp_path_factory.mktemp("coloured") / "coloured.npz"
    np.savez(file, images=arrays.splits["train"].items, labels=arrays.splits["train"].labels)
    return file


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tensorflow", "keras", "conftest"])
    return context


def start(processes, folder, *arguments):
    process = processes.Process(target=run, args=(arguments[0], arguments[1], folder, *arguments[2:]))
    process.start()
    return process


def end(process) -> int:
    process.join(120)
    return process.exitcode


@pytest.mark.parametrize(
    ("door", "kills"),
    [
        ("fine_tune", [(1, True)]),
        pytest.param("fine_tune", [(0, False), (1, True), (5, True)], marks=pytest.mark.slow),
        pytest.param("BackupAndRestore", [(1, False), (4, False)], marks=pytest.mark.slow),
        pytest.param("plateau", [(2, False)], marks=pytest.mark.slow),
    ],
)
def test_the_resumed_run_ends_with_the_weights_of_the_uninterrupted_one(processes, coloured, tmp_path, door, kills):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    uninterrupted = start(processes, whole, door, coloured, -1, False)
    done = 0
    for epoch, writing in kills:
        at = epoch - done if writing else epoch  # the nth epoch that this process keeps
        assert end(start(processes, broken, door, coloured, at, writing)) == -signal.SIGKILL
        done = epoch
    assert end(start(processes, broken, door, coloured, -1, False)) == 0
    assert end(uninterrupted) == 0
    expected, got = (json.loads((folder / "record.json").read_text()) for folder in (whole, broken))
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        close = pytest.approx(value, abs=1e-6) if name not in ("trainable",) else value
        assert got[name] == close, name
    with np.load(whole / "weights.npz") as theirs, np.load(broken / "weights.npz") as ours:
        assert len(theirs.files) == len(ours.files) > 20
        for name in theirs.files:
            assert np.abs(theirs[name] - ours[name]).max() <= 1e-6


@pytest.mark.slow
def test_it_goes_on_from_within_a_phase_and_from_its_first_epoch(toy, data, tmp_path):
    """With an exception in place of the signal, in one process."""

    class Stop(Exception):
        pass

    class Fail(keras.callbacks.Callback):
        def __init__(self, epoch):
            super().__init__()
            self.epoch = epoch

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == self.epoch:
                raise Stop

    start, ends = toy.get_weights(), []
    for folder, epochs in (("whole", []), ("broken", [1, 2, 5])):
        toy.set_weights(start)
        for state in random_states(toy):
            state.assign([7, 0])
        options = {"schedule": PHASES, "resume_dir": tmp_path / folder, "verbose": 0}
        for epoch in epochs:
            with pytest.raises(Stop):
                kt.fine_tune(toy, data, callbacks=[Fail(epoch)], **options)
        history = kt.fine_tune(toy, data, **options)
        assert history.epoch == list(range(6)) and len(history.history["val_loss"]) == 6
        ends.append(toy.get_weights())
    for whole, broken in zip(*ends, strict=True):
        assert np.abs(whole - broken).max() <= 1e-6


def test_a_finished_run_gives_its_result_at_once(toy, data, tmp_path, capsys):
    options = {"schedule": "feature_extraction", "epochs": 2, "resume_dir": tmp_path / "kept"}
    history = kt.fine_tune(toy, data, **options, verbose=0)
    weights = toy.get_weights()
    toy.set_weights([np.zeros_like(weight) for weight in weights])
    again = kt.fine_tune(toy, data, **options, verbose=2)
    assert "finished after epoch 2" in capsys.readouterr().out
    assert again.epoch == [0, 1] and again.history == history.history
    for ours, theirs in zip(weights, toy.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    assert len(toy.trainable_variables) == 2, "open and frozen as the last phase left it"


def test_another_run_in_the_folder_is_refused(toy, data, tmp_path):
    options = {"schedule": "feature_extraction", "resume_dir": tmp_path / "kept", "verbose": 0}
    kt.fine_tune(toy, data, epochs=1, **options)
    with pytest.raises(kt.InputError, match="holds another: phases"):
        kt.fine_tune(toy, data, epochs=2, **options)
    with pytest.raises(kt.InputError, match="holds another: optimizer"):
        kt.fine_tune(toy, data, epochs=1, optimizer="sgd", **options)
    with pytest.raises(kt.InputError, match="holds another: train_batch_norm: False there, True now"):
        kt.fine_tune(toy, data, epochs=1, train_batch_norm=True, **options)
    with pytest.raises(kt.InputError, match="holds another: callbacks that remember"):
        plateau = keras.callbacks.ReduceLROnPlateau()
        kt.fine_tune(toy, data, epochs=1, callbacks=[plateau], **options)
    (tmp_path / "kept" / "epoch_00001" / "model.weights.h5").write_bytes(b"not weights")
    with pytest.raises(kt.InputError, match="cannot be read"):
        kt.fine_tune(toy, data, epochs=1, **options)
    (tmp_path / "kept" / "epoch_00001" / "state.json").write_text("{")
    with pytest.raises(kt.InputError, match="state.json' cannot be read"):
        kt.fine_tune(toy, data, epochs=1, **options)
    (tmp_path / "file").write_text("")
    with pytest.raises(kt.InputError, match="a folder that can be written"):
        kt.fine_tune(toy, data, resume_dir=tmp_path / "file", verbose=0)


def scaled(by):
    return lambda image: image * by


class Pull(keras.losses.Loss):
    """A loss whose config does not tell its factor, as one of a user need not."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def call(self, truth, predicted):
        return self.factor * keras.losses.sparse_categorical_crossentropy(truth, predicted)


def call(pictures, *, data=None, head="linear", **changed):
    """Returns the arguments of one call of `fine_tune`, made anew, with changes."""
    options = {"image_size": 32, "batch_size": 8, "augment": ["light", scaled(1.0)], **(data or {})}
    keras.utils.set_random_seed(0)
    model = kt.build_model(toy_backbone(), 3, image_size=32, head=head)
    decay = keras.optimizers.schedules.CosineDecay(1e-2, 10)
    arguments = {
        "schedule": (kt.Phase(1, "head", 1e-2),),
        "optimizer": keras.optimizers.SGD(decay),
        "loss": Pull(1.0),
        "metrics": [keras.metrics.SparseTopKCategoricalAccuracy(2)],
        "rate": lambda progress: 1.0 - progress,
        "cache": kt.Cache("memory", views=1),
        "callbacks": [keras.callbacks.ReduceLROnPlateau(factor=0.5)],
        "verbose": 0,
    }
    return {"model": model, "data": kt.data.from_directory(pictures, **options), **arguments, **changed}


@pytest.fixture(scope="module")
def kept(pictures, tmp_path_factory):
    """The folder of a run of one epoch."""
    folder = tmp_path_factory.mktemp("runs") / "kept"
    kt.fine_tune(**call(pictures), resume_dir=folder)
    return folder


def rates(value):
    return keras.optimizers.schedules.CosineDecay(value, 10)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"data": {"augment": ["strong", scaled(1.0)]}}, "data.augment.0.0: 'light' there, 'strong' now"),
        ({"data": {"augment": ["light", scaled(2.0)]}}, "data.augment.1: '.*<lambda>"),
        ({"data": {"augment": ["light", functools.partial(scaled(1.0))]}}, "data.augment.1: .* now"),
        ({"data": {"augment": ["light", keras.layers.RandAugment(num_ops=1)]}}, "data.augment.1: .*RandAugment"),
        ({"data": {"resize": "pad"}}, "data.resize.0: 'crop' there, 'pad' now"),
        ({"data": {"validation_split": 0.4}}, "images.train.count"),
        ({"data": {"seed": 5}}, "data.seed: 0 there, 5 now; images.train.images: .*; images.validation.images"),
        ({"head": "mlp"}, "model.layers"),
        ({"optimizer": keras.optimizers.SGD(rates(1e-3))}, "optimizer.parts.0.learning_rate.config.initial_learning"),
        ({"optimizer": keras.optimizers.SGD(lambda: 1e-2)}, "optimizer.parts.0.learning_rate: .*<lambda>"),
        ({"loss": Pull(2.0)}, "loss.values.factor: 1.0 there, 2.0 now"),
        ({"loss": keras.losses.SparseCategoricalCrossentropy()}, "loss.class"),
        ({"metrics": [keras.metrics.SparseTopKCategoricalAccuracy(1)]}, "metrics.0.config.k: 2 there, 1 now"),
        ({"rate": lambda progress: 1.0 - progress / 2}, "rate: '.*<lambda>"),
        ({"cache": kt.Cache("memory", views=2)}, "cache.views: 1 there, 2 now"),
        ({"cache": kt.Cache("memory", views=1, dtype="float16")}, "cache.dtype: 'float32' there, 'float16' now"),
        ({"cache": False}, "cache: {.* there, None now"),
        ({"class_weight": {0: 1.0, 1: 1.0, 2: 2.0}}, "class weights"),
        ({"callbacks": [keras.callbacks.ReduceLROnPlateau(factor=0.1)]}, "callbacks that remember.*0.5 there, 0.1 now"),
    ],
)
def test_a_run_that_has_changed_is_refused_with_the_name_of_what_has(kept, pictures, changed, what):
    with pytest.raises(kt.InputError, match=f"holds another: {what}.*use another folder"):
        kt.fine_tune(**call(pictures, **changed), resume_dir=kept)


def test_the_same_run_made_anew_is_known_again_wherever_its_cache_lies(kept, pictures, tmp_path):
    again = kt.fine_tune(**call(pictures, cache=kt.Cache("disk", tmp_path, views=1)), resume_dir=kept)
    assert again.epoch == [0]


def test_validation_images_and_labels_are_part_of_a_run(toy):
    images, labels = np.random.default_rng(0).integers(0, 255, (12, 32, 32, 3), dtype="uint8"), np.arange(12) % 3
    data = kt.data.from_arrays(images, labels, class_names=["a", "b", "c"], validation_split=0.5)
    toy.compile("sgd")
    before, after = [], []
    for change in ("images", "labels"):
        held = data.splits["validation"]
        other = dataclasses.replace(
            held,
            **{
                "items" if change == "images" else "labels": held.items[::-1]
                if change == "images"
                else held.labels[::-1]
            },
        )
        changed = dataclasses.replace(data, splits={**data.splits, "validation": other})
        before.append(identity(toy, data, PHASES, None, {}))
        after.append(identity(toy, changed, PHASES, None, {}))
    assert [len(changes(*pair)) for pair in zip(before, after, strict=True)] == [1, 1]
    assert changes(before[0], after[0])[0].startswith("images.validation.images")
    assert changes(before[1], after[1])[0].startswith("images.validation.labels")


@pytest.mark.parametrize("library", ["keras", "tensorflow", "keras_transfer"])
def test_a_run_of_other_versions_is_refused(kept, pictures, monkeypatch, library):
    if library == "keras_transfer":
        monkeypatch.setattr("keras_transfer.training.run_identity.__version__", "0.0.1")
    else:
        monkeypatch.setattr(f"{library}.__version__", "0.0.1")
    with pytest.raises(kt.InputError, match=f"holds another: versions.{library}: .* there, '0.0.1' now.*versions"):
        kt.fine_tune(**call(pictures), resume_dir=kept)


def test_optimizers_that_share_variables_otherwise_are_other_ones(toy):
    def parts(first, second):
        sgd, adam = keras.optimizers.SGD(), keras.optimizers.Adam()
        return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(sgd, {first: adam, second: adam}))

    known = []
    for patterns in (("a.*", "b.*"), ("a.*", "b.*"), ("a.*", "c.*")):
        toy.compile(parts(*patterns))
        known.append(optimizer_identity(toy.optimizer))
    names = ["gamma", "beta", "bias"]
    for excluded, expected in (({"var_names": names}, sorted(names)), ({"var_list": toy.weights[:1]}, [])):
        decaying = keras.optimizers.AdamW()
        decaying.exclude_from_weight_decay(**excluded)
        toy.compile(decaying)
        assert optimizer_identity(toy.optimizer)["parts"][0]["not decayed"] == expected
    toy.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(), initial_scale=8.0))
    known.append(optimizer_identity(toy.optimizer))
    assert known[0] == known[1] != known[2]
    assert changes(known[0], known[2]) == ["parts.0.variables.1: 'b.*' there, 'c.*' now"]
    assert known[3]["initial_scale"] == 8.0


def train_until_told(pictures, folder, begun, end):
    """Trains one epoch, half of another, and waits."""

    class Wait(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                (folder / ".writing-of-this-process").mkdir()
                begun.set()
                end.wait(120)

    keras.utils.set_random_seed(3)
    data = kt.data.from_directory(pictures, image_size=32, batch_size=8)
    model = kt.build_model(toy_backbone(), 3, image_size=32)
    kt.fine_tune(model, data, schedule="feature_extraction", epochs=2, callbacks=[Wait()], resume_dir=folder, verbose=0)


def test_two_processes_do_not_train_in_one_folder_and_the_lock_goes_with_its_process(processes, toy, files, tmp_path):
    data, pictures, folder = files, files.root, tmp_path / "kept"
    begun, never = processes.Event(), processes.Event()
    first = processes.Process(target=train_until_told, args=(pictures, folder, begun, never))
    first.start()
    assert begun.wait(120)
    options = {"schedule": "feature_extraction", "epochs": 2, "resume_dir": folder, "verbose": 0}
    with pytest.raises(kt.InputError, match="Expected a folder that is free.*Another process trains in it"):
        kt.fine_tune(toy, data, **options)
    assert (folder / ".writing-of-this-process").is_dir() and (folder / "epoch_00001").is_dir(), "left alone"
    first.kill()
    first.join(120)
    assert kt.fine_tune(toy, data, **options).epoch == [0, 1]
    assert [path.name for path in folder.iterdir()] == ["epoch_00002"], "what the killed one left is gone"


def test_a_folder_is_locked_for_others_in_the_same_process_too_and_free_afterwards(tmp_path):
    with locked_folder(tmp_path, "Wait."):
        with pytest.raises(kt.InputError, match="is free.*Wait"), locked_folder(tmp_path, "Wait."):
            pass
        with pytest.raises(kt.InputError, match="is free"), locked_folder(tmp_path, "Wait."):
            pass
    with pytest.raises(KeyError), locked_folder(tmp_path, "Wait."):
        raise KeyError
    with locked_folder(tmp_path, "Wait."):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_callback_logs_is_kept_with_its_type(toy, data, tmp_path):
    logged = {
        "confusion": np.arange(9).reshape(3, 3),
        "half": np.float16(0.5),
        "brain": keras.ops.cast([1.5, 2.5], "bfloat16"),
        "tensor": tf.range(3),
        "names": np.array(["a", "bc"]),
        "nested": {"by class": (np.float64(0.1), [1, None, float("nan")]), 3: "three"},
    }

    class Log(keras.callbacks.Callback):
        def __init__(self, fails):
            super().__init__()
            self.fails = fails

        def on_epoch_end(self, epoch, logs=None):
            logs.update(logged)

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1 and self.fails:
                raise KeyboardInterrupt

    options = {"schedule": "feature_extraction", "epochs": 2, "resume_dir": tmp_path / "kept", "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        kt.fine_tune(toy, data, callbacks=[Log(True)], **options)
    history = kt.fine_tune(toy, data, callbacks=[Log(False)], **options).history
    for name, value in logged.items():
        restored, later = history[name]
        assert type(restored) is type(later) is type(value), name
        if name != "nested":
            assert restored.dtype == value.dtype and np.array_equal(restored, value)
    restored = history["nested"][0]
    assert str(restored) == str(logged["nested"]) and type(restored["by class"][0]) is np.float64


def test_a_log_that_cannot_be_kept_does_not_end_the_training(toy, data, tmp_path):
    class Log(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["odd"] = object()

    options = {"schedule": "feature_extraction", "epochs": 1, "resume_dir": tmp_path / "kept", "verbose": 0}
    with pytest.warns(kt.DataWarning, match="could not be kept.*text, numbers or arrays.*object.*Training goes on"):
        assert kt.fine_tune(toy, data, callbacks=[Log()], **options).epoch == [0]


def test_a_full_disk_does_not_end_the_training(toy, data, tmp_path, monkeypatch):
    write, calls = np.savez, []

    def savez(file, **arrays):
        calls.append(file)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        write(file, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    options = {"schedule": "feature_extraction", "epochs": 2, "resume_dir": tmp_path / "kept", "verbose": 0}
    with pytest.warns(kt.DataWarning, match="No space left.*the last epoch kept is epoch_00001"):
        history = kt.fine_tune(toy, data, **options)
    assert len(history.epoch) == 2
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["epoch_00001"], "whole, and nothing half written"
    assert kt.fine_tune(toy, data, **options).history["loss"] == pytest.approx(history.history["loss"], abs=1e-6)
