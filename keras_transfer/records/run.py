"""The files that a run writes beside its exported versions: the model, its history, its report and plots of them."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from matplotlib.figure import Figure

from keras_transfer._checks import DataWarning
from keras_transfer._folders import placed
from keras_transfer.adaptation import AdaptationReport
from keras_transfer.data import ImageData, SoundData, TextData
from keras_transfer.insight.evaluation import evaluate
from keras_transfer.plots.curves import plot_history
from keras_transfer.serving.exporting import export
from keras_transfer.tasks import Report, ValuesReport


@dataclass(frozen=True)
class Run:
    """The results of a run: its report, the folder of the exported version, and the names of the files beside it."""

    report: Report | ValuesReport
    version: Path
    files: list[str]


def save_run(
    folder: Path,
    model: keras.Model,
    data: ImageData | SoundData | TextData,
    history: keras.callbacks.History,
    dataset: tf.data.Dataset,
) -> Run:
    """Evaluates and exports a trained model, and writes the record of its training beside the export.

    The record is `model.keras`, `history.csv`, `report.json`, `learning_curve.png`, `confusion_matrix.png` and
    `samples.png`. Each file is written under a temporary name and renamed, so that an earlier file is either kept or
    completely replaced.

    Args:
        folder: folder of exported versions.
        model: the trained model.
        data: the data the model was trained on.
        history: the History of the training.
        dataset: batches of images and labels to evaluate on, from `data`.

    Raises:
        InputError: if the model cannot be evaluated or exported; see `evaluate` and `export`.
        VerificationError: if the exported version differs from the model.
        DiskError: if the folder cannot be written.
    """
    folder = folder.expanduser()
    report = evaluate(model, dataset, class_names=data.class_names)
    version = export(model, folder, data=data, report=report)
    with placed(folder, "The run's files") as staging:
        model.save(staging / "model.keras")
        _write_csv(staging / "history.csv", history)
        (staging / "report.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
        names = [path.name for path in staging.iterdir()]
    pictures: dict[str, Callable[[], Figure]] = {
        "learning_curve.png": lambda: plot_history(history.history, history.boundaries),
        "confusion_matrix.png": report.plot,
        "samples.png": lambda: data.show(16),
    }
    for name, draw in pictures.items():
        try:
            with placed(folder, "The run's pictures") as staging:
                draw().savefig(staging / name, dpi=120)
            names.append(name)
        except Exception as error:  # whatever a picture fails of, the model and its record are kept
            warnings.warn(f"{name} cannot be drawn ({type(error).__name__}: {error}).", DataWarning, stacklevel=2)
    return Run(report, version, sorted(names))


def save_adaptation(folder: Path, report: AdaptationReport, choice: dict[str, Any]) -> list[str]:
    """Writes `adaptation.json` and `adaptation.png` beside the exported versions, and returns their names.

    Args:
        folder: folder of exported versions.
        report: the report on the adaptation.
        choice: how the method was chosen, as values that can be written as JSON.

    Raises:
        DiskError: if the folder cannot be written.
    """
    with placed(folder, "The adaptation's files") as staging:
        found = {**report.to_dict(), "choice": choice}
        (staging / "adaptation.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        report.plot().savefig(staging / "adaptation.png", dpi=120)
        return sorted(path.name for path in staging.iterdir())


def _write_csv(path: Path, history: keras.callbacks.History) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history.history])
        writer.writerows(zip([epoch + 1 for epoch in history.epoch], *history.history.values(), strict=True))
