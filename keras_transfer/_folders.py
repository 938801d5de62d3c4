"""Folders and files that are written aside and renamed, so that what is there is whole."""

from __future__ import annotations

import shutil
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


def write_whole(path: Path, text: str) -> None:
    """Writes a text file aside and renames it: a file that is there is replaced whole or not at all.

    Raises:
        InputError: if that is not possible.
    """
    path = path.expanduser()
    staging = writable_folder(path.parent)
    try:
        (staging / path.name).write_text(text, encoding="utf-8")
        (staging / path.name).replace(path)
    except OSError as error:
        raise InputError(f"Expected a file that can be written. Received: {str(path)!r} ({error}).") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
