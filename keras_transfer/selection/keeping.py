"""Keeping: what a search has come to, in memory and in a folder, so that one that was killed goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import locked_folder, placed, write_whole
from keras_transfer._identity import digest, identity_of
from keras_transfer.data import ImageData
from keras_transfer.models.loading import load_model
from keras_transfer.selection.candidates import Candidate
from keras_transfer.selection.found import Trial, csv_of, ordered
from keras_transfer.selection.plans import Space

_STATE, _TABLE = "search.json", "leaderboard.csv"
_KEPT = ("spent", "looked", "left_out", "networks", "passes")


class Kept:
    """What a search has come to, in memory and in a folder if there is one."""

    def __init__(self, folder: str | os.PathLike[str] | None, identity: dict[str, Any]):
        self.folder = None if folder is None else Path(folder).expanduser()
        self._identity = identity
        self.trials: list[Trial] = []
        self.networks: list[str] = []  # that go on, the best first
        self.passes: dict[str, float] = {}  # seconds of a pass over all images
        self.model: keras.Model | None = None
        self.spent, self.looked = 0.0, 0.0
        self.left_out: dict[str, str] = {}
        self._lock: Any = None
        self._file: str | None = None  # of the best model

    def __enter__(self) -> Kept:
        if self.folder is None:
            return self
        self._lock = locked_folder(self.folder, "Another search runs in it: wait for its end, or use another folder.")
        self._lock.__enter__()
        try:
            self._read(self.folder)
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        if self._lock is not None:
            self._lock.__exit__(*error)

    def add(self, trial: Trial, model: keras.Model | None, spent: float) -> bool:
        """Keeps a trial, and its model if it is the best so far. Returns whether it is."""
        best = ordered(self.trials)[0].loss if self.trials else None
        better = trial.loss is not None and (best is None or trial.loss < best)
        self.trials.append(trial)
        self.spent = spent
        if better:
            self.model = model
        if self.folder is not None:
            older = self._file
            if better and model is not None:
                self._file = f"best_{trial.number}.keras"
                with placed(self.folder, self._file) as staging:
                    model.save(staging / self._file)
            self.write()  # from here on the new one counts
            if older not in (None, self._file):
                (self.folder / older).unlink(missing_ok=True)
        return better

    def write(self) -> None:
        """Writes the leaderboard and the state."""
        if self.folder is None:
            return
        state: dict[str, Any] = {"search": self._identity, "model": self._file}
        state |= {name: getattr(self, name) for name in _KEPT}
        state["trials"] = [asdict(trial) for trial in self.trials]
        write_whole(self.folder / _STATE, json.dumps(state, indent=2) + "\n")
        write_whole(self.folder / _TABLE, csv_of(ordered(self.trials)))

    def _read(self, folder: Path) -> None:
        if not (folder / _STATE).exists():
            return
        try:
            state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            known = state["search"]
            self.trials = [Trial(**row) for row in state["trials"]]
            self._file = state["model"]
            for name in _KEPT:
                setattr(self, name, state[name])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DiskError(f"The search in {str(folder)!r} cannot be read ({error}). Delete the folder.") from error
        changed = [name for name in known if known[name] != self._identity.get(name)]
        if changed:
            raise InputError(
                f"Expected `folder` to hold this search. Received: {str(folder)!r}, of another {', '.join(changed)}. "
                "Use another folder, or delete it."
            )
        if self._file is not None:
            self.model = load_model(folder / self._file)


def what_it_is(data: ImageData, candidates: Mapping[str, Candidate], seed: int, space: Space | None) -> dict[str, Any]:
    """Returns what tells a search from another, ready for JSON."""
    return {
        "classes": list(data.class_names),
        "images": {name: [len(part), part.digest().hex()] for name, part in data.splits.items()},
        "candidates": list(candidates),
        "seed": seed,
        "space": None if space is None else digest(identity_of(space)),
    }
