"""Runs that are kept in a file as soon as they are done, so that a benchmark of hours goes on where it was stopped."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

import keras_transfer as kt


@dataclass(frozen=True)
class Runs:
    """The runs of a benchmark, a line of JSON each.

    Attributes:
        file: where they are kept; delete it to start anew.
    """

    file: Path

    def known(self) -> list[dict[str, Any]]:
        """Returns the runs that are there."""
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def once(self, named: dict[str, Any], run: Callable[[], dict[str, Any]]) -> None:
        """Does a run unless it is there, and keeps its result, its seconds and its warnings.

        Args:
            named: what tells the run from the others, its `seed` among it.
            run: returns what was found, its `accuracy` among it.
        """
        if any(named.items() <= row.items() for row in self.known()):
            return
        keras.backend.clear_session()
        keras.utils.set_random_seed(named["seed"])
        begin = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", kt.DataWarning)
            found = run()
        signs = [str(item.message) for item in caught if issubclass(item.category, kt.DataWarning)]
        row = {**named, **found, "seconds": time.perf_counter() - begin, "warnings": signs}
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        shown = "  ".join(str(value) for value in named.values())
        print(f"{shown:<72}  {found['accuracy']:.3f}  {row['seconds']:.0f} s", flush=True)
