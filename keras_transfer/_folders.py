"""Folders and files that are written aside and renamed, so that what is there is whole."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from keras_transfer._checks import DiskError, InputError


def cache_folder() -> Path:
    """Returns the folder of what is computed once: `KERAS_TRANSFER_CACHE`, or `keras_transfer` in the user's cache."""
    given = os.environ.get("KERAS_TRANSFER_CACHE")
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(given or Path(base) / "keras_transfer").expanduser()


def writable_folder(root: Path) -> Path:
    """Makes a hidden folder in `root` for files that will be moved later, and returns it.

    `root` is made if it does not exist.

    Raises:
        DiskError: if a folder cannot be made.
    """
    root = root.expanduser()
    folder = root / f".writing-{uuid.uuid4().hex}"  # not of tempfile, whose folders no other user may ever read
    with _writing_to(root):
        root.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    return folder


@contextmanager
def locked_folder(root: Path, otherwise: str) -> Iterator[None]:
    """Makes `root` if it is missing, and keeps others out that ask for the same, in this process and in all others.

    The lock is the system's: it goes when the process ends, however it ends.

    Args:
        root: the folder.
        otherwise: what the error says where another has the lock.

    Raises:
        InputError: if another has the lock.
        DiskError: if the folder cannot be written to.
    """
    root = root.expanduser()
    path = root / ".lock"
    lock = FileLock(path)
    with _writing_to(root):
        root.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise InputError(f"Expected a folder that is free. Received: {str(root)!r}. {otherwise}") from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows keeps a file that is open
            path.unlink()  # still locked: who has opened it meanwhile sees that it is gone, and fails or tries anew
        lock.release()


@contextmanager
def _writing_to(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"Expected a folder that can be written to. Received: {str(root)!r} ({error}).") from error


def check_writable(root: Path) -> None:
    """Raises DiskError unless `root` can be made and written to; leaves nothing behind.

    Raises:
        DiskError: if that is not possible.
    """
    root = root.expanduser()
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    writable_folder(root).rmdir()
    for folder in missing:
        folder.rmdir()


@contextmanager
def placed(folder: Path, what: str) -> Iterator[Path]:
    """Gives a folder to write files in, and moves them to `folder` when all are written, each in place of an older one.

    Args:
        folder: where the files shall be.
        what: the files, for the error.

    Raises:
        DiskError: if that is not possible.
    """
    folder = folder.expanduser()
    staging = writable_folder(folder)
    try:
        yield staging
        for path in sorted(staging.iterdir()):
            path.replace(folder / path.name)
    except OSError as error:
        raise DiskError(f"{what} cannot be written to {str(folder)!r}: {error}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_whole(path: Path, text: str) -> None:
    """Writes a text file to a temporary file, then renames it, so that no reader ever sees half of it.

    Raises:
        DiskError: if the file cannot be written.
    """
    path = path.expanduser()
    with placed(path.parent, path.name) as staging:
        (staging / path.name).write_text(text, encoding="utf-8")
