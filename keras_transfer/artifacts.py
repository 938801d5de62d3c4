"""What a run leaves beside its served versions: the model, its history, its report and the pictures of both."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import keras

from keras_transfer._checks import InputError
from keras_transfer.evaluation import Report
from keras_transfer.plots import plot_history
from keras_transfer.serving.exporting import writable_folder


def save_run(folder: Path, model: keras.Model, history: keras.callbacks.History, report: Report) -> list[str]:
    """Writes `model.keras`, `history.csv`, `report.json`, `learning_curve.png` and `confusion_matrix.png`.

    Each file is written aside and renamed, so an earlier run's file is replaced whole or not at all.

    Raises:
        InputError: if the folder cannot be written.
    """
    folder = folder.expanduser()
    staging = writable_folder(folder)
    try:
        model.save(staging / "model.keras")
        _write_csv(staging / "history.csv", history)
        (staging / "report.json").write_text(json.dumps(report.to_dict(), indent=2) + "\n", encoding="utf-8")
        curves = plot_history(history.history, getattr(history, "boundaries", ()))
        curves.savefig(staging / "learning_curve.png", dpi=120)
        report.plot().savefig(staging / "confusion_matrix.png", dpi=120)
        written = sorted(staging.iterdir())
        for path in written:
            path.replace(folder / path.name)
    except OSError as error:
        raise InputError(f"The run's files cannot be written to {str(folder)!r}: {error}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return [path.name for path in written]


def _write_csv(path: Path, history: keras.callbacks.History) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history.history])
        writer.writerows(zip([epoch + 1 for epoch in history.epoch], *history.history.values(), strict=True))
