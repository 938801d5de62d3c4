"""Keeping: what a search has come to, in memory and in a folder, so that one that was killed goes on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import locked_folder, placed, write_whole
from keras_transfer.models.loading import load_model
from keras_transfer.selection.found import Trial, csv_of, ordered

_MODEL, _STATE, _TABLE = "best.keras", "search.json", "leaderboard.csv"


class Kept:
    """What a search has come to, in memory and in a folder if there is one."""

    def __init__(self, folder: str | os.PathLike[str] | None, identity: dict[str, Any]):
        self.folder = None if folder is None else Path(folder).expanduser()
        self._identity = identity
        self.trials: list[Trial] = []
        self.model: keras.Model | None = None
        self.spent, self.looked = 0.0, 0.0
        self.left_out: dict[str, str] = {}
        self._lock: Any = None

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
            if better and model is not None:
                with placed(self.folder, _MODEL) as staging:
                    model.save(staging / _MODEL)
            self.write()
        return better

    def write(self) -> None:
        """Writes the leaderboard and the state."""
        if self.folder is None:
            return
        state = {"search": self._identity, "spent": self.spent, "looked": self.looked, "left_out": self.left_out}
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
            self.spent, self.looked, self.left_out = state["spent"], state["looked"], state["left_out"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DiskError(f"The search in {str(folder)!r} cannot be read ({error}). Delete the folder.") from error
        changed = [name for name in known if known[name] != self._identity.get(name)]
        if changed:
            raise InputError(
                f"Expected `folder` to hold this search. Received: {str(folder)!r}, of another {', '.join(changed)}. "
                "Use another folder, or delete it."
            )
        if (folder / _MODEL).exists():
            self.model = load_model(folder / _MODEL)
