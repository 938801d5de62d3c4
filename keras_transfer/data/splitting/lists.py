"""Lists of images as CSV files: the split of a data set, and a quarantine of files that are not to be used.

Paths are written as they are below a folder, so that a list means the same on every machine.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_transfer._checks import DataError
from keras_transfer._folders import write_whole
from keras_transfer.data.classes import ordered
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.formats.naming import EXTENSIONS
from keras_transfer.data.image_data import ImageData

_BARE = ("image", "label", "split")  # columns of a file without a header
CLASS_ID = "class_id"  # column with the numbers of the classes of an image
SEPARATOR = "|"  # between several labels of one image


def save_split(data: ImageData, file: str | os.PathLike[str]) -> Path:
    """Writes which image is in which split, as a CSV file that `from_dataframe` reads.

    Its columns are `image` (the path below the folder of the data), `label` (several are joined by "|"), `split`,
    `group` where there are groups, and `class_id` (the numbers of the classes) where the classes are not in the order
    that they have by default. Read it back with `from_dataframe(file, root=folder, split_column="split")`.

    Args:
        data: images from files.
        file: to write; replaced whole if it is there.

    Raises:
        InputError: if the images are not files, or `file` cannot be written.
    """
    rows: list[Sequence[object]] = []
    grouped = any(examples.groups is not None for examples in data.splits.values())
    own_order = data.task.needs_classes and data.class_names != ordered(data.class_names)
    number = {name: str(index) for index, name in enumerate(data.class_names)}
    for split, examples in data.splits.items():
        if not examples.in_files:
            raise DataError("Expected images that are files, each with a path. Received: images in memory.")
        for index, (path, label) in enumerate(zip(examples.items, examples.labels, strict=True)):
            names = examples.task.in_words(label, data.class_names)
            row = [_relative(Path(path), data.root), SEPARATOR.join(names), split]
            if grouped:
                row.append("" if examples.groups is None else str(examples.groups[index]))
            if own_order:
                row.append(SEPARATOR.join(number[name] for name in names))
            rows.append(row)
    header = ("image", "label", "split", *("group",) * grouped, *(CLASS_ID,) * own_order)
    return _write(Path(file), header, rows)


def save_quarantine(reasons: Mapping[Path, str], root: Path | None, file: str | os.PathLike[str]) -> Path:
    """Writes files and the reasons not to use them, as a CSV file that sources of images honour."""
    rows = [(_relative(path, root), reason) for path, reason in reasons.items()]
    return _write(Path(file), ("image", "reason"), rows)


def read_quarantine(file: str | os.PathLike[str] | None, root: Path) -> list[LeftOut]:
    """Returns the files of a quarantine below a folder.

    Raises:
        InputError: if the file cannot be read or has no column `image`.
    """
    if file is None:
        return []
    columns = read_columns(file)
    if "image" not in columns:
        raise DataError(f"Expected a quarantine with a column 'image'. Received: {str(file)!r} with {list(columns)}.")
    reasons = columns.get("reason", [""] * len(columns["image"]))
    return [
        LeftOut(root / image, f"is in quarantine ({reason})" if reason else "is in quarantine")
        for image, reason in zip(columns["image"], reasons, strict=True)
    ]


def read_columns(file: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Returns the columns of a CSV file by the names in its first line.

    The separator is the one of comma, semicolon and tab that the first line has; the encoding is UTF-8, UTF-16 with its
    mark, or cp1252 where it cannot be these. If the first line names an image, there is no header: the columns are
    `image`, `label`, `split`.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        content = Path(file).expanduser().read_bytes()
    except OSError as error:
        raise DataError(f"Expected a CSV file in UTF-8. Received: {str(file)!r} ({error}).") from error
    try:
        text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    first = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    bare = any(cell.strip().lower().endswith(tuple(EXTENSIONS)) for cell in first.split(separator))
    names = _BARE[: first.count(separator) + 1] if bare else None
    reader = csv.DictReader(io.StringIO(text, newline=""), names, strict=True, delimiter=separator)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise DataError(f"Expected a CSV file. Received: {str(file)!r}, line {reader.line_num}: {error}.") from error
    for row in rows:
        if None in row or None in row.values():
            raise DataError(
                f"Expected {len(reader.fieldnames or ())} fields in every line of {str(file)!r}. "
                f"Received: {[value for value in row.values() if value is not None]}."
            )
    return {name: [row[name] for row in rows] for name in reader.fieldnames or ()}


def _relative(path: Path, root: Path | None) -> str:
    inside = root is not None and path.is_relative_to(root)
    return (path.relative_to(root) if inside else path.absolute()).as_posix()  # type: ignore[arg-type]


def _write(file: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_whole(file, text.getvalue())
    return file
