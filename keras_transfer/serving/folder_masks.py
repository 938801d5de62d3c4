"""The masks that a version gives the pictures of a folder, as files: one after another, each whole or not there."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from keras_transfer._checks import DiskError, InputError
from keras_transfer.data.by_kind import faults_in, files_of
from keras_transfer.data.faults import below
from keras_transfer.serving.loading import ServedModel
from keras_transfer.serving.segmented import SegmentedImage

TABLE = "masks.csv"
_CHUNK = 8  # pictures that are answered together


def write_masks(served: ServedModel, root: Path, output: Path, *, quiet: bool) -> Path:
    """Writes a mask for each picture below a folder, as a PNG file of its size, and a table of the shares of classes.

    A call that was interrupted goes on with the pictures that have no mask. A picture that cannot be read has a row in
    the table with the reason, and no mask.

    Args:
        served: a version that gives each pixel a class.
        root: folder of the pictures, read at any depth.
        output: folder of the masks. They have the names of the pictures, with `.png` after them, in the same folders;
            the values are numbers of classes, 255 where the model saw nothing. `masks.csv` lies beside them.
        quiet: show no progress.

    Returns:
        The folder.

    Raises:
        InputError: if there are no pictures.
        DiskError: if a file cannot be written.
    """
    files = files_of(served.kind, root)
    if not files:
        raise InputError(f"Expected {served.kind.noun} in {str(root)!r}. Received: none.")
    places = {file: output / (below(file, root) + ".png") for file in files}
    waiting = [file for file in files if not places[file].is_file()]
    bad = {item.path: item.reason for item in faults_in(served.kind, waiting)}
    good = [file for file in waiting if file not in bad]
    starts: Any = range(0, len(good), _CHUNK)
    if not quiet and len(good) > _CHUNK:
        starts = track(starts, "predicting", transient=True)
    try:
        for start in starts:
            chunk = good[start : start + _CHUNK]
            for file, found in zip(chunk, served.segment(chunk), strict=True):
                _write(places[file], found.png)
        _write_table(served, files, places, bad, root, output)
    except OSError as error:
        raise DiskError(
            f"Masks cannot be written to {str(output)!r}: {error}. The same call goes on from there."
        ) from error
    return output


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.unfinished")
    staging.write_bytes(content)
    staging.replace(path)


def _write_table(
    served: ServedModel,
    files: Sequence[Path],
    places: dict[Path, Path],
    bad: dict[Path, str],
    root: Path,
    output: Path,
) -> None:
    """Writes for each picture the share of each class, or why it has no mask."""
    output.mkdir(parents=True, exist_ok=True)
    staging = output / f".{TABLE}.unfinished"
    with staging.open("w", newline="", encoding="utf-8") as rows:
        table = csv.writer(rows)
        table.writerow(["file", "error", *served.class_names])
        for file in files:
            if file in bad:
                table.writerow([below(file, root), bad[file], *[""] * len(served.class_names)])
                continue
            found = SegmentedImage.of(places[file].read_bytes(), served.class_names)
            table.writerow([below(file, root), "", *(f"{share:.6f}" for share in found.shares.values())])
    staging.replace(output / TABLE)
