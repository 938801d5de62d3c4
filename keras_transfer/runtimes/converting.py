"""convert and compare_runtimes: files for other runtimes, asked the same pictures as the SavedModel they come from."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from keras_transfer._arguments import PATH, Kind, Part, Whole, takes
from keras_transfer._checks import DiskError, InputError, VerificationError
from keras_transfer._folders import writable_folder
from keras_transfer.runtimes.comparing import compare
from keras_transfer.runtimes.describing import write_description
from keras_transfer.runtimes.formats import FORMATS, Format
from keras_transfer.runtimes.report import RuntimeReport
from keras_transfer.runtimes.samples import DATA, Data, read_samples
from keras_transfer.serving.description import read_description
from keras_transfer.serving.versions import find_version


@takes(version=PATH, format=Part(FORMATS), data=DATA, path=PATH | None)
def convert(
    version: str | os.PathLike[str],
    format: str | Format,
    *,
    data: Data | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Path:
    """Writes an exported version as a file for another runtime, if it answers there what it answers in TensorFlow.

    The file takes `images`, float32 `(batch, height, width, 3)` in [0, 255] with a free number of pictures, and
    returns `probabilities` (for regression `values`), float32 `(batch, num_classes)`. Preprocessing is in it, decoding
    and resizing are not. It lies in a folder of its own, `VERSION_FORMAT`, with `model.json`, which says what it takes
    and what it answers. The folder is written aside and renamed; a file beyond its tolerance is not published.

    Args:
        version: folder of an exported version, or of versions, of which the newest is taken.
        format: "onnx", "litert", "litert_float16", "litert_int8" or "openvino".
        data: pictures to compare on: `ImageData` or a folder of class folders; its test or else validation images. By
            default a few drawn ones. "litert_int8" must have them, and is calibrated with training images.
        path: folder that the new folder is made in; by default the one of the versions.

    Returns:
        The file to load.

    Raises:
        InputError: if the format is unknown or not installed, cannot express the network, or answers something else;
            if the data do not fit, or the folder is there already or cannot be written.
    """
    folder = find_version(version)
    report = run(folder, [format], data=data, root=folder.parent if path is None else Path(path), timed=False)
    result = report.results[-1]
    if result.path is None:
        raise VerificationError(result.complaint)
    return result.path


@takes(
    version=PATH,
    formats=Kind((list, tuple), "a list of formats") | None,
    data=DATA,
    path=PATH | None,
    limit=Whole(1),
)
def compare_runtimes(
    version: str | os.PathLike[str],
    formats: Sequence[str | Format] | None = None,
    *,
    data: Data | None = None,
    path: str | os.PathLike[str] | None = None,
    limit: int = 1000,
) -> RuntimeReport:
    """Measures an exported version in other runtimes: size, speed, differences to the SavedModel, accuracy.

    Runtimes use all cores and are timed with one picture at a time, in turn, in the same run. Differences are those of
    probabilities, as they are; of each value of a regression in shares of its largest. What is accepted:

    - float32 files: 1e-5, or ten times what TensorFlow itself changes by freezing the graph, where that is more (it
      joins operations, which rounds otherwise), at most 1e-3;
    - float16 weights: 5e-2 for a single number, 5e-3 in the mean, and the same class for 0.98 of the pictures;
    - int8: 5e-2 in the mean, and the same class for 0.9 of the pictures.

    Args:
        version: as in `convert`, and so is `data`.
        formats: names; all by default.
        data: as in `convert`.
        path: folder that the files are kept in, those within their tolerance; by default none is kept.
        limit: the most pictures to measure on.

    Raises:
        InputError: as `convert`, but not for a file beyond its tolerance or a network that a format cannot express: the
            report says so.
    """
    chosen = FORMATS.names() if formats is None else formats
    return run(find_version(version), chosen, data=data, root=None if path is None else Path(path), limit=limit)


def run(
    version: Path,
    formats: Sequence[str | Format],
    *,
    data: Data | None,
    root: Path | None,
    limit: int = 1000,
    timed: bool = True,
    note: Callable[[str], None] = lambda line: None,
) -> RuntimeReport:
    """Does what `compare_runtimes` says, and tells its progress.

    Args:
        version: folder of the version.
        formats: as in `compare_runtimes`, and so are `data` and `limit`.
        root: folder to publish in; None to keep nothing.
        timed: measure times as well.
        note: is given a line before each step.
    """
    if isinstance(formats, str):
        raise InputError(f"Expected a list of formats. Received: {formats!r}; write [{formats!r}].")
    parts = list({part.name: part for part in map(FORMATS.find, formats)}.values())
    description = read_description(version)
    for part in parts:
        part.check_installed()
    targets = {part.name: root.expanduser() / f"{version.name}_{part.name}" for part in parts} if root else {}
    for target in targets.values():
        if target.exists():
            raise InputError(f"Expected a free path. Received: {str(target)!r}, which is there; delete it first.")
    new = root is not None and not root.expanduser().exists()
    staging = Path(tempfile.mkdtemp()) if root is None else writable_folder(root)
    try:
        note("reading pictures")
        samples = read_samples(data, description, limit, calibrate=any(part.calibrated for part in parts))
        with _quiet():
            report = compare(version, description, parts, samples, staging, timed, note)
        return _published(report, parts, staging, targets)
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        raise DiskError(
            f"The files cannot be written to {str(root or staging)!r}: {error}. What was half written is deleted."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if root is not None and new:
            with suppress(OSError):  # it holds files
                root.expanduser().rmdir()


def _published(
    report: RuntimeReport, formats: Sequence[Format], staging: Path, targets: Mapping[str, Path]
) -> RuntimeReport:
    """Renames what is within its tolerance into its place."""
    results = []
    for result in report.results:
        target = targets.get(result.format)
        if target is not None and result.passed:
            (file,) = (part.file for part in formats if part.name == result.format)
            result = replace(result, path=target / file)
            write_description(staging / result.format, result, report.version)
            (staging / result.format).rename(target)
        results.append(result)
    return replace(report, results=tuple(results))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps converters from telling what their own developers want to know: their users cannot mend it."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
