"""The versions below a folder: numbered folders. A server uses the one with the highest number."""

from __future__ import annotations

import os
from pathlib import Path

from keras_transfer._checks import InputError
from keras_transfer.serving.description import DESCRIPTION


def versions(root: Path) -> list[int]:
    """Returns the numbers of the versions below a folder, in ascending order."""
    return sorted(int(path.name) for path in root.iterdir() if path.name.isdecimal() and path.is_dir())


def find_version(path: str | os.PathLike[str]) -> Path:
    """Returns the folder of a version: `path` itself if it is a version, else the newest version below it.

    Raises:
        InputError: if `path` is not a version and has none below it.
    """
    folder = Path(path).expanduser().absolute()
    if folder.is_dir() and not (folder / DESCRIPTION).is_file():
        numbers = versions(folder)
        if numbers:
            folder = folder / str(numbers[-1])
    if not (folder / DESCRIPTION).is_file():
        raise InputError(
            f"Expected a folder written by keras_transfer.export: a version or a folder of versions. "
            f"Received: {str(path)!r}."
        )
    return folder


def publish(folder: Path, root: Path) -> Path:
    """Renames the finished folder `folder` to the next free version number below `root`, and returns the new path.

    Another process may publish at the same time; then the number after its version is tried.
    """
    number = max(versions(root), default=0) + 1
    while True:
        target = root / str(number)
        try:
            if not target.exists():
                folder.rename(target)
                return target
        except OSError:
            if not target.exists():
                raise
        number += 1
