"""Folders that are written aside and renamed, so that what is there is whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

from keras_transfer._checks import InputError


def writable_folder(root: Path) -> Path:
    """Makes `root` if it is missing and a hidden folder in it to write aside in.

    Raises:
        InputError: if that is not possible.
    """
    root = root.expanduser()
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".writing-", dir=root))
    except OSError as error:
        raise InputError(f"Expected a folder that can be written to. Received: {str(root)!r} ({error}).") from error


def check_writable(root: Path) -> None:
    """Raises InputError unless `root` can be made and written to; leaves nothing behind.

    Raises:
        InputError: if that is not possible.
    """
    root = root.expanduser()
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    writable_folder(root).rmdir()
    for folder in missing:
        folder.rmdir()
