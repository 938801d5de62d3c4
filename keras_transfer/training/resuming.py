"""Resume: all of a run that is needed to go on after it was killed, written after each epoch.

Keras' BackupAndRestore keeps weights and optimizer. A run of `fine_tune` is more: the best weights so far, the History,
how long callbacks have waited. Each epoch is written aside and renamed, so that the folder always holds a whole one.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from keras.callbacks import Callback

from keras_transfer._checks import DataWarning, DiskError, InputError
from keras_transfer._folders import locked_folder, writable_folder
from keras_transfer._keras.callbacks import memory_of
from keras_transfer.models.freezing import random_states
from keras_transfer.models.tuning.lora import saved_otherwise
from keras_transfer.training.packing import pack, unpack
from keras_transfer.training.run_identity import callback_identity, changes


class Resume(Callback):
    """Keeps the state of a run after each epoch, and restores it when training begins again.

    Stands last in the list of callbacks, after a History: others reset themselves when training begins. Train within
    `held`.

    Args:
        folder: made if it is missing; of one run alone.
        run: what tells this run from others, ready for JSON; compared with what the folder holds.
        callbacks: all others of the fit, in the same order in every process.

    Attributes:
        folder: where the run is kept.
        epoch: number of epochs that are done, from which `fit` goes on.
        finished: nothing is left to train.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], callbacks: Sequence[Callback]):
        super().__init__()
        self.folder = folder.expanduser()
        self._others = [callback for callback in callbacks if _memory(callback)]
        known = [callback_identity(callback, _memory(callback)) for callback in self._others]
        self._run = json.loads(json.dumps({**run, "callbacks that remember": known}))
        self.epoch, self.finished = 0, False
        self._kept: Path | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other processes out of the folder, and reads how far the run has come.

        Raises:
            InputError: if another process trains in the folder, or it holds another run.
            DiskError: if the folder cannot be written, or what it holds cannot be read.
        """
        with locked_folder(self.folder, "Another process trains in it: wait for its end, or use another folder."):
            writable_folder(self.folder).rmdir()
            for unfinished in self.folder.glob(".writing-*"):
                shutil.rmtree(unfinished)
            kept = sorted(self.folder.glob("epoch_*"))
            for older in kept[:-1]:
                shutil.rmtree(older)
            self._kept = kept[-1] if kept else None
            self._state = self._read(self._kept) if self._kept else {}
            self.epoch = self._state.get("epoch", 0)
            self.finished = self._state.get("finished", False)
            yield

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._kept is None:
            return
        try:
            self.model.load_weights(self._kept / "model.weights.h5")
            with np.load(self._kept / "arrays.npz") as arrays:
                for index, variable in enumerate(saved_otherwise(self.model)):
                    variable.assign(arrays[f"exact_{index}"])
                for index, seeds in enumerate(random_states(self.model)):
                    seeds.assign(arrays[f"seeds_{index}"])
                for callback, memory in zip(self._others, self._state["callbacks"], strict=True):
                    for name, value in memory.items():
                        setattr(callback, name, unpack(value, arrays))
        except (OSError, ValueError, KeyError) as error:
            raise DiskError(
                f"The run in {str(self.folder)!r} cannot be read ({error}). Delete the folder to train from the start."
            ) from error

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        writing = None
        try:
            arrays: dict[str, Any] = {
                f"seeds_{index}": np.array(seeds) for index, seeds in enumerate(random_states(self.model))
            }
            arrays |= {f"exact_{place}": np.array(each) for place, each in enumerate(saved_otherwise(self.model))}
            state = {
                "epoch": epoch + 1,
                "finished": bool(self.model.stop_training) or epoch + 1 == self.params["epochs"],
                "run": self._run,
                "callbacks": [
                    {name: pack(getattr(callback, name), arrays, f"{index}_{name}") for name in _memory(callback)}
                    for index, callback in enumerate(self._others)
                ],
            }
            writing = writable_folder(self.folder)
            self.model.save_weights(writing / "model.weights.h5")
            np.savez(writing / "arrays.npz", **arrays)
            (writing / "state.json").write_text(json.dumps(state), encoding="utf-8")
            whole = writing.rename(self.folder / f"epoch_{epoch + 1:05}")
        except (OSError, InputError) as error:
            warnings.warn(
                f"Epoch {epoch + 1} could not be kept in {str(self.folder)!r} ({error}). Training goes on; "
                f"{'the last epoch kept is ' + self._kept.name if self._kept else 'no epoch is kept yet'}.",
                DataWarning,
                stacklevel=2,
            )
            if writing is not None:
                shutil.rmtree(writing, ignore_errors=True)
            return
        if self._kept is not None:
            shutil.rmtree(self._kept, ignore_errors=True)
        self._kept = whole

    def _read(self, kept: Path) -> dict[str, Any]:
        path = kept / "state.json"
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DiskError(f"{str(path)!r} cannot be read ({error}). Delete the folder to train anew.") from error
        changed = changes(state["run"], self._run)
        if changed:
            raise InputError(
                f"Expected `resume_dir` to hold this run. {str(self.folder)!r} holds another: {'; '.join(changed)}. "
                "Go on with the settings and versions that it was made with, use another folder, or delete it."
            )
        return state


def _memory(callback: Callback) -> tuple[str, ...]:
    return getattr(callback, "memory", ()) or memory_of(callback)  # callbacks of this package name theirs themselves
