"""Resume: all of a run that is needed to go on after it was killed, written after each epoch.

Keras' BackupAndRestore keeps weights and optimizer. A run of `fine_tune` is more: the best weights so far, the History,
how long callbacks have waited. Each epoch is written aside and renamed, so that the folder always holds a whole one.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.callbacks import Callback

from keras_transfer._checks import DataWarning, DiskError, InputError
from keras_transfer._folders import writable_folder
from keras_transfer._keras.callbacks import memory_of
from keras_transfer._keras.leaves import has_rate_schedule, leaves, rate_of, without_state
from keras_transfer.data import ImageData
from keras_transfer.models.freezing import random_states
from keras_transfer.schedules.phases import Phase


class Resume(Callback):
    """Keeps the state of a run after each epoch, and restores it when training begins again.

    Stands last in the list of callbacks, after a History: others reset themselves when training begins.

    Args:
        folder: made if it is missing; of one run alone.
        run: what tells this run from others, as JSON has it; compared with what the folder holds.
        callbacks: all others of the fit, in the same order in every process.

    Attributes:
        folder: where the run is kept.
        epoch: number of epochs that are done, from which `fit` goes on.
        finished: nothing is left to train.

    Raises:
        InputError: if the folder cannot be written, or holds another run or one that cannot be read.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], callbacks: Sequence[Callback]):
        super().__init__()
        self.folder = folder.expanduser()
        self._others = [callback for callback in callbacks if _memory(callback)]
        known = {"callbacks that remember": [type(callback).__name__ for callback in self._others]}
        self._run = json.loads(json.dumps({**run, **known}, default=str))
        writable_folder(self.folder).rmdir()
        for unfinished in self.folder.glob(".writing-*"):
            shutil.rmtree(unfinished)
        *older, self._kept = [None, *sorted(self.folder.glob("epoch_*"))]
        for folder in filter(None, older):
            shutil.rmtree(folder)
        self._state = self._read() if self._kept else {}
        self.epoch: int = self._state.get("epoch", 0)
        self.finished: bool = self._state.get("finished", False)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._kept is None:
            return
        try:
            self.model.load_weights(self._kept / "model.weights.h5")
            with np.load(self._kept / "arrays.npz") as arrays:
                for index, seeds in enumerate(random_states(self.model)):
                    seeds.assign(arrays[f"seeds_{index}"])
                for index, (callback, memory) in enumerate(zip(self._others, self._state["callbacks"], strict=True)):
                    for name, value in memory.items():
                        setattr(callback, name, _unpacked(value, arrays, f"{index}_{name}"))
        except (OSError, ValueError, KeyError) as error:
            raise DiskError(
                f"The run in {str(self.folder)!r} cannot be read ({error}). Delete the folder to train from the start."
            ) from error

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        arrays: dict[str, Any] = {
            f"seeds_{index}": np.array(seeds) for index, seeds in enumerate(random_states(self.model))
        }
        state = {
            "epoch": epoch + 1,
            "finished": bool(self.model.stop_training) or epoch + 1 == self.params["epochs"],
            "run": self._run,
            "callbacks": [
                {name: _packed(getattr(callback, name), arrays, f"{index}_{name}") for name in _memory(callback)}
                for index, callback in enumerate(self._others)
            ],
        }
        writing = None
        try:
            writing = writable_folder(self.folder)
            self.model.save_weights(writing / "model.weights.h5")
            np.savez(writing / "arrays.npz", **arrays)
            (writing / "state.json").write_text(json.dumps(state, default=float), encoding="utf-8")
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

    def _read(self) -> dict[str, Any]:
        path = self._kept / "state.json"
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DiskError(f"{str(path)!r} cannot be read ({error}). Delete the folder to train anew.") from error
        theirs = state["run"]
        other = [name for name in self._run if self._run[name] != theirs.get(name)]
        if other:
            changed = "; ".join(f"{name}: {theirs.get(name)!r} there, {self._run[name]!r} now" for name in other)
            raise InputError(
                f"Expected `resume_dir` to hold this run. {str(self.folder)!r} holds another: {changed}. "
                "Use another folder, or delete it."
            )
        return state


def _memory(callback: Callback) -> tuple[str, ...]:
    return getattr(callback, "memory", ()) or memory_of(callback)  # callbacks of this package name theirs themselves


def _packed(value: Any, arrays: dict[str, Any], key: str) -> Any:
    """Returns what JSON can hold of a value; weights go to `arrays`."""
    if isinstance(value, list) and value and isinstance(value[0], np.ndarray):
        arrays.update({f"{key}_{index}": array for index, array in enumerate(value)})
        return {"arrays": len(value)}
    if value is None or isinstance(value, (bool, int, str, list, dict)):
        return value
    return float(value)


def _unpacked(value: Any, arrays: Mapping[str, np.ndarray], key: str) -> Any:
    if isinstance(value, dict) and set(value) == {"arrays"}:
        return [arrays[f"{key}_{index}"] for index in range(value["arrays"])]
    return value


def identity(model: keras.Model, data: ImageData, phases: Sequence[Phase], settings: list[Any]) -> dict[str, Any]:
    """Returns what must be the same for a run of `fine_tune` to go on."""
    examples = data.splits["train"]
    digest = sha256(examples.labels.tobytes())
    digest.update(
        examples.items.tobytes() if examples.items.dtype.kind in "iufUS" else repr(list(examples.items)).encode()
    )
    return {
        "model": [model.name, keras.config.dtype_policy().name, *(tuple(weight.shape) for weight in model.weights)],
        "optimizer": [[type(leaf).__name__, _settings(leaf)] for leaf in leaves(model.optimizer)],
        "phases": [asdict(phase) for phase in phases],
        "patience, train_batch_norm, class weights, rate, loss, metrics": keras.tree.map_structure(named, settings),
        "data": [data.image_size, data.resize, named(data.augment), data.batch_size, data.seed, data.class_names],
        "images": digest.hexdigest(),
    }


def _settings(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    config = without_state(optimizer, learning_rate=0.5).get_config() | {"name": None}
    rate = None if has_rate_schedule(optimizer) else rate_of(optimizer)
    return config | {"learning_rate": rate}


def named(part: Any) -> Any:
    """Names a part for comparison: text and numbers as they are, objects by their kind."""
    if part is None or isinstance(part, (str, int, float)):
        return part
    return getattr(part, "__qualname__", type(part).__name__)
