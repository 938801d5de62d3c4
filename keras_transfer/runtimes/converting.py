"""convert and compare_runtimes: files for other runtimes, with outputs that are compared to those of the SavedModel."""

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
    """Converts an exported version to a file for another runtime, and checks its outputs against the SavedModel.

    The file takes `images`, float32 `(batch, height, width, 3)` in [0, 255], any number of them. It returns
    `probabilities` (for regression `values`), float32 `(batch, num_classes)`. Preprocessing is part of the file;
    decoding and resizing are not. The file is written to a new folder, `VERSION_FORMAT`, together with `model.json`,
    which describes its input and output. A file with differences above the tolerance is not published. The folder is
    written under a temporary name and renamed.

    Args:
        version: folder of an exported version, or a folder of versions, of which the newest is converted.
        format: "onnx", "litert", "litert_float16", "litert_int8" or "openvino".
        data: pictures to compare on: `ImageData`, or a folder of class folders. Its test images are used; without
            these its validation images; without either its training images. By default a few generated pictures.
            "litert_int8" needs `data`, and is calibrated with the training images.
        path: folder in which the new folder is made; by default the folder of versions.

    Returns:
        Path of the file to load in the runtime.

    Raises:
        InputError: if the format is unknown or not installed, the classes of `data` differ from those of the version,
            pictures for calibration are missing, or the folder exists already.
        VerificationError: if the network cannot be converted to the format, or a difference is above the tolerance.
        DiskError: if the folder cannot be written.
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
    """Measures an exported version in other runtimes: file size, speed, differences from the SavedModel, and accuracy.

    All runtimes use all CPU cores. They are timed by turns, with one picture at a time. Differences of probabilities
    are absolute. Differences of regression values are divided by the largest magnitude of that value. These differences
    are accepted:

    - float32 files: 1e-5, or ten times the difference that freezing the graph in TensorFlow makes, whichever is more,
      and at most 1e-3. (Freezing fuses operations, which changes their rounding.)
    - float16 weights: 5e-2 for a single number, 5e-3 in the mean, and the same class for 98% of the pictures.
    - int8: 5e-2 in the mean, and the same class for 90% of the pictures.

    Args:
        version: as in `convert`.
        formats: names of formats; by default all.
        data: as in `convert`.
        path: folder in which to keep the files that are within their tolerance; by default no file is kept.
        limit: the largest number of pictures to measure on.

    Returns:
        The report, which prints as a table. It lists a format that failed or is above its tolerance; this is no error.

    Raises:
        InputError: if a format is unknown or not installed, the classes of `data` differ from those of the version,
            pictures for calibration are missing, or a folder to write exists already.
        DiskError: if a folder cannot be written.
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
    """Runs `compare_runtimes` and reports its progress.

    Args:
        version: folder of the version.
        formats: as in `compare_runtimes`.
        data: as in `compare_runtimes`.
        root: folder in which the files are published; None to keep none.
        limit: as in `compare_runtimes`.
        timed: whether to measure times as well.
        note: function that is called with a line of text before each step.
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
            raise InputError(
                f"Expected a path that does not exist. Received: {str(target)!r}, which exists; delete it first."
            )
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
            f"The files cannot be written to {str(root or staging)!r}: {error}. The incomplete files were deleted."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if root is not None and new:
            with suppress(OSError):  # it holds files
                root.expanduser().rmdir()


def _published(
    report: RuntimeReport, formats: Sequence[Format], staging: Path, targets: Mapping[str, Path]
) -> RuntimeReport:
    """Moves the files within their tolerance to their final folders. Returns the report with their paths."""
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
    """Silences converter messages that users cannot act on."""
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
