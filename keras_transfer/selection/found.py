"""What a search has found: its best model, and a leaderboard of its trials."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from keras_transfer._folders import write_whole
from keras_transfer.plots.curves import plot_progress
from keras_transfer.tasks import Report, ValuesReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DONE, PRUNED, OUT_OF_TIME, FAILED = "done", "stopped early", "out of time", "failed"


@dataclass(frozen=True)
class Trial:
    """A trial of a search.

    Attributes:
        number: from 1, in the order in which they began.
        network: name of the candidate.
        plan: what was tried, in a few words.
        state: "done", "stopped early" since it fell behind, "out of time", or "failed".
        loss: on the validation images; None if it did not end.
        score: accuracy there, or mean absolute error for values.
        seconds: that it took.
        ended: seconds of the search that were spent at its end.
        note: why it failed; empty otherwise.
    """

    number: int
    network: str
    plan: str
    state: str
    loss: float | None
    score: float | None
    seconds: float
    ended: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of `search`. `print(result)` shows the leaderboard.

    Attributes:
        model: the best one, a plain model that is ready for `export`.
        trials: all of them, the best first.
        measure: what `score` is: "accuracy" or "mae".
        seconds: that were spent, in all.
        budget: that could be spent.
        looked: seconds of these in which networks were ranked.
        left_out: why a candidate was not tried, by its name.
        report: of the model on the test images, which chose nothing; None without a test split.
    """

    model: keras.Model
    trials: tuple[Trial, ...]
    measure: str
    seconds: float
    budget: float
    looked: float
    left_out: dict[str, str]
    report: Report | ValuesReport | None

    @property
    def best(self) -> Trial:
        """The trial that the model is of."""
        return self.trials[0]

    def to_dict(self) -> dict[str, Any]:
        """Returns everything except the model as values for JSON."""
        return {
            "best": asdict(self.best),
            "trials": [asdict(trial) for trial in self.trials],
            "measure": self.measure,
            "seconds": self.seconds,
            "budget": self.budget,
            "looked": self.looked,
            "left_out": self.left_out,
            "report": self.report.to_dict() if self.report else None,
        }

    def to_csv(self, file: str | os.PathLike[str]) -> Path:
        """Writes the leaderboard to a CSV file, and returns its path.

        Raises:
            DiskError: if it cannot be written.
        """
        path = Path(file).expanduser()
        write_whole(path, csv_of(self.trials))
        return path

    def plot(self) -> Figure:
        """Draws the validation loss of each trial over the seconds of the search, and the smallest so far."""
        ended = sorted((trial for trial in self.trials if trial.loss is not None), key=lambda trial: trial.ended)
        return plot_progress(
            [trial.ended for trial in ended], [float(trial.loss or 0.0) for trial in ended], "validation loss"
        )

    def __str__(self) -> str:
        names = ("#", "network", "plan", "state", "loss", self.measure, "seconds")
        rows = [
            (
                str(trial.number),
                trial.network,
                trial.plan,
                trial.state,
                "" if trial.loss is None else f"{trial.loss:.4f}",
                "" if trial.score is None else f"{trial.score:.3f}",
                f"{trial.seconds:.0f}",
            )
            for trial in self.trials
        ]
        widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)) for row in (names, *rows)]
        lines += [f"{name}  left out: {reason}" for name, reason in self.left_out.items()]
        trained = sum(trial.seconds for trial in self.trials)
        rest = max(self.seconds - self.looked - trained, 0.0)
        spent = f"ranking {self.looked:.0f}, trials {trained:.0f}, rest {rest:.0f}"
        lines.append(f"{self.seconds:.0f} of {self.budget:.0f} s: {spent}")
        lines.append(
            "chosen by the validation loss; these figures are therefore a little too good"
            if self.report is None
            else f"on the test images, which chose nothing:\n{self.report}"
        )
        return "\n".join(line.rstrip() for line in lines)


def ordered(trials: Sequence[Trial]) -> list[Trial]:
    """Returns trials by their loss, the smallest first; those without one come last."""
    return sorted(trials, key=lambda trial: (trial.loss is None, trial.loss or 0.0, trial.number))


def csv_of(trials: Sequence[Trial]) -> str:
    """Returns trials as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Trial)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(trial) for trial in trials)
    return text.getvalue()
