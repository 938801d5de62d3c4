"""Comparing: writes files of several formats, runs them, and compares their outputs with those of the SavedModel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_transfer._checks import InputError, VerificationError
from keras_transfer.runtimes.formats import Format, Tolerance
from keras_transfer.runtimes.frozen import Answer, Frozen, as_input, freeze, in_batches, open_frozen
from keras_transfer.runtimes.measuring import milliseconds
from keras_transfer.runtimes.report import SAVED_MODEL, RuntimeReport, RuntimeResult
from keras_transfer.runtimes.samples import Samples
from keras_transfer.serving.description import Description
from keras_transfer.tasks import Task

_ROUNDINGS, _MOST = 10, 1e-3  # a float32 file may differ by 10 times the error of freezing, and by 1e-3 at most
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
    """Writes a file of each format, runs it and the SavedModel on the same pictures, and compares their outputs.

    Args:
        version: folder of the version.
        description: description of the version.
        formats: the formats to write.
        samples: the pictures.
        folder: folder to write to. Each format gets a folder in it with the format's name.
        timed: whether to measure times as well.
        note: function that is called with a line of text before each step.

    Returns:
        The report. For a format whose converter or runtime fails, it holds the error instead of numbers.

    Raises:
        InputError: if the version lacks the signature that takes tensors.
        OSError: if a file cannot be written.
    """
    note("freezing the graph")
    frozen = freeze(version, description, folder / "frozen")
    answers = {SAVED_MODEL: frozen.reference}
    numbers = {SAVED_MODEL: in_batches(answers[SAVED_MODEL], samples.images)}
    task = description.task
    moved = task.differences(in_batches(open_frozen(frozen), samples.images), numbers[SAVED_MODEL])
    rounding = float(moved.max())
    failed: dict[str, str] = {}
    for part in formats:
        note(f"writing {part.name}")
        try:
            answer = _written(part, frozen, folder / part.name, samples.calibration)
            numbers[part.name] = _asked(part, answer, samples.images, numbers[SAVED_MODEL].shape)
            answers[part.name] = answer
        except InputError as error:  # the other formats may still succeed
            failed[part.name] = str(error)
    if timed:
        note("measuring times")
    times = milliseconds(answers, as_input(samples.images[:1])) if timed else {}
    least = min(_ROUNDINGS * rounding, _MOST)
    tolerances = {part.name: replace(part.tolerance, largest=max(part.tolerance.largest, least)) for part in formats}
    none = RuntimeResult("", np.nan, None, np.nan, np.nan, None, None, Tolerance(0.0), len(samples.images))
    results = [_measured(replace(none, format=SAVED_MODEL), numbers, samples, task)]
    for part in formats:
        result = replace(none, format=part.name, tolerance=tolerances[part.name], error=failed.get(part.name, ""))
        results.append(result if result.error else _measured(result, numbers, samples, task))
    folders = {part.name: folder / part.name for part in formats}
    finished = (
        replace(
            result,
            megabytes=np.nan if result.error else _megabytes(folders.get(result.format, version)),
            milliseconds=times.get(result.format),
        )
        for result in results
    )
    calibrated = 0 if samples.calibration is None else len(samples.calibration)
    return RuntimeReport(version, len(samples.images), calibrated, rounding, tuple(finished))


def _measured(result: RuntimeResult, numbers: Mapping[str, np.ndarray], samples: Samples, task: Task) -> RuntimeResult:
    found, expected = numbers[result.format], numbers[SAVED_MODEL]
    apart = task.differences(found, expected)
    by_picture = apart.max(axis=tuple(range(1, apart.ndim)))
    worst = np.argsort(-np.nan_to_num(by_picture, nan=np.inf))[:_WORST]
    return replace(
        result,
        largest=float(by_picture.max()),
        mean=task.mean_difference(apart),
        agreement=task.agreement(found, expected),
        accuracy=None if samples.labels is None else task.accuracy(found, samples.labels),
        worst=tuple((samples.names[index], float(by_picture[index])) for index in worst if by_picture[index] != 0),
    )


def _written(part: Format, frozen: Frozen, folder: Path, calibration: np.ndarray | None) -> Answer:
    folder.mkdir()
    try:
        part.write(frozen, folder / part.file, calibration if part.calibrated else None)
        return part.open(folder / part.file, frozen.description.output)
    except OSError:
        raise
    except Exception as error:  # each converter raises other exceptions
        raise VerificationError(
            f"Expected a network that can be converted to {part.name!r}. Received: {_first_line(error)}"
        ) from error


def _asked(part: Format, answer: Answer, images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    try:
        answer(as_input(images[:1]))  # a batch of one must work too
        numbers = in_batches(answer, images)
    except Exception as error:  # each runtime raises other exceptions
        raise VerificationError(f"Expected the {part.name!r} file to run. Received: {_first_line(error)}") from error
    if numbers.shape != shape:
        raise VerificationError(f"Expected outputs of shape {shape} from {part.name!r}. Received: {numbers.shape}.")
    return numbers


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}."


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
