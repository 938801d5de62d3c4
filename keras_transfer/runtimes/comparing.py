"""Comparing: files of several formats are written, loaded in their runtimes, and asked what the SavedModel is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.runtimes.formats import Answer, Format, Tolerance
from keras_transfer.runtimes.frozen import Frozen, freeze, in_batches, open_saved_model
from keras_transfer.runtimes.measuring import accuracy, agreement, differences, milliseconds
from keras_transfer.runtimes.report import SAVED_MODEL, RuntimeReport, RuntimeResult
from keras_transfer.runtimes.samples import Samples
from keras_transfer.serving.description import Description

_ROUNDINGS, _MOST = 10, 1e-3  # a float32 file may be this many times as far as freezing alone, and never farther
_WORST = 3


def compare(
    version: Path,
    description: Description,
    formats: Sequence[Format],
    samples: Samples,
    folder: Path,
    timed: bool,
    note: Callable[[str], None],
) -> RuntimeReport:
    """Writes a file of each format, asks it and the SavedModel about the same pictures, and compares.

    Args:
        version: folder of the version.
        description: of the version.
        formats: to write.
        samples: pictures.
        folder: where each format's file is written, in a folder named like it.
        timed: measure times as well.
        note: is given a line before each step.

    Raises:
        InputError: if a converter or a runtime fails.
    """
    note("freezing the graph")
    frozen = freeze(version, description, folder / "frozen")
    answers = {SAVED_MODEL: open_saved_model(version, description.output)}
    numbers = {SAVED_MODEL: in_batches(answers[SAVED_MODEL], samples.images)}
    again = open_saved_model(frozen.saved_model, description.output, "serving_default")
    moved = differences(in_batches(again, samples.images), numbers[SAVED_MODEL], description.activation)
    rounding = float(moved.max())
    for part in formats:
        note(f"writing {part.name}")
        answers[part.name] = _written(part, frozen, folder / part.name, samples.calibration)
        numbers[part.name] = _asked(part, answers[part.name], samples.images, numbers[SAVED_MODEL].shape)
    if timed:
        note("measuring times")
    times = milliseconds(answers, samples.images[:1].astype(np.float32)) if timed else {}
    least = min(_ROUNDINGS * rounding, _MOST)
    tolerances = {part.name: replace(part.tolerance, largest=max(part.tolerance.largest, least)) for part in formats}
    folders = {SAVED_MODEL: version, **{part.name: folder / part.name for part in formats}}
    results = []
    for name, found in numbers.items():
        apart = differences(found, numbers[SAVED_MODEL], description.activation)
        by_picture = apart.max(axis=1)
        worst = np.argsort(-np.nan_to_num(by_picture, nan=np.inf))[:_WORST]
        results.append(
            RuntimeResult(
                name,
                _megabytes(folders[name]),
                times.get(name),
                float(by_picture.max()),
                float(apart.mean()),
                agreement(found, numbers[SAVED_MODEL], description.activation),
                accuracy(found, samples.labels, description.activation),
                tolerances.get(name, Tolerance(0.0)),
                len(samples.images),
                tuple((samples.names[index], float(by_picture[index])) for index in worst),
            )
        )
    calibrated = 0 if samples.calibration is None else len(samples.calibration)
    return RuntimeReport(version, len(samples.images), calibrated, rounding, tuple(results))


def _written(part: Format, frozen: Frozen, folder: Path, calibration: np.ndarray | None) -> Answer:
    folder.mkdir()
    try:
        part.write(frozen, folder / part.file, calibration if part.calibrated else None)
        return part.open(folder / part.file, frozen.description.output)
    except OSError:
        raise
    except Exception as error:  # each converter has its own kinds
        raise InputError(
            f"Expected a network that {part.name!r} can express. Received: {_first_line(error)} Other formats may."
        ) from error


def _asked(part: Format, answer: Answer, images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        numbers = in_batches(answer, images)
    except Exception as error:  # each runtime has its own kinds
        raise InputError(f"Expected {part.name!r} to answer. Received: {_first_line(error)}") from error
    if numbers.shape != shape:
        raise InputError(f"Expected numbers {shape} from {part.name!r}. Received: {numbers.shape}.")
    return numbers


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}."


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
