"""The masks that a version gives the pictures of a folder, as files: one after another, each whole or not there."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from rich.progress import track

from keras_transfer._checks import DiskError, InputError
from keras_transfer._folders import write_whole
from keras_transfer.data.by_kind import faults_in, files_of
from keras_transfer.data.faults import below
from keras_transfer.serving.loading import ServedModel
from keras_transfer.serving.segmented import SegmentedImage

TABLE = "masks.csv"
_ABOUT = ".version"  # file that says which version the masks are of
_TABLES = (".csv", ".parquet")
_CHUNK = 8  # pictures that are answered together


def write_masks(served: ServedModel, root: Path, output: Path, *, quiet: bool) -> Path:
    """Writes a mask for each picture below a folder, as a PNG file of its size, and a table of the shares of classes.

    A call that was interrupted goes on with the pictures that have no mask, or an older one. A picture that cannot be
    read has a row in the table with the reason, and no mask.

    Args:
        served: a version that gives each pixel a class.
        root: folder of the pictures, read at any depth.
        output: folder of the masks. They have the names of the pictures, with `.png` after them, in the same folders;
            the values are numbers of classes, 255 where the model saw nothing. `masks.csv` lies beside them.
        quiet: show no progress.

    Returns:
        The folder.

    Raises:
        InputError: if there are no pictures, the folder of the masks is that of the pictures or a table, or masks of
            another version lie in it.
        DiskError: if a file cannot be written.
    """
    if output.suffix.lower() in _TABLES or output.resolve() == root.resolve():
        raise InputError(f"Expected `output` to be a folder of its own, for masks. Received: {str(output)!r}.")
    files = [file for file in files_of(served.kind, root) if not file.resolve().is_relative_to(output.resolve())]
    if not files:
        raise InputError(f"Expected {served.kind.noun} in {str(root)!r}. Received: none.")
    places = {file: output / (below(file, root) + ".png") for file in files}
    _check_version(served, output)
    waiting = [file for file in files if not _is_done(places[file], file)]
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


def _check_version(served: ServedModel, output: Path) -> None:
    """Writes down which version the masks are of, or checks it.

    Raises:
        InputError: if they are of another one.
        DiskError: if nothing can be written.
    """
    about, file = f"{served.path.absolute()}\n", output / _ABOUT
    if file.is_file() and file.read_text(encoding="utf-8") != about:
        raise InputError(
            f"Expected masks of this version in {str(output)!r}, or none. Received: those of "
            f"{file.read_text(encoding='utf-8').strip()!r}. Take another folder, or delete it."
        )
    write_whole(file, about)


def _is_done(mask: Path, picture: Path) -> bool:
    """Says whether a picture has a mask that is whole and not older than it is."""
    try:
        if mask.stat().st_mtime < picture.stat().st_mtime:
            return False
        with Image.open(mask) as opened:
            opened.verify()
        return True
    except (OSError, SyntaxError):
        return False


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
