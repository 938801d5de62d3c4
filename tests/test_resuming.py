"""A run that is killed goes on, and ends with the weights it would have had."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal

import keras
import numpy as np
import pytest

import keras_transfer as kt
from keras_transfer.models.freezing import random_states

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
    import tensorflow as tf
    from conftest import toy_backbone

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
    data = kt.data.from_directory(pictures, image_size=32, batch_size=8, augment="light", seed=3)
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
        ("fine_tune", [(0, False), (1, True), (5, True)]),
        ("BackupAndRestore", [(1, False), (4, False)]),
        ("plateau", [(2, False)]),
    ],
)
def test_the_resumed_run_ends_with_the_weights_of_the_uninterrupted_one(processes, pictures, tmp_path, door, kills):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    uninterrupted = start(processes, whole, door, pictures, -1, False)
    done = 0
    for epoch, writing in kills:
        at = epoch - done if writing else epoch  # the nth epoch that this process keeps
        assert end(start(processes, broken, door, pictures, at, writing)) == -signal.SIGKILL
        done = epoch
    assert end(start(processes, broken, door, pictures, -1, False)) == 0
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
    with pytest.raises(kt.InputError, match="holds another: patience, train_batch_norm"):
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
