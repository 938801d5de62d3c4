"""The folder of activations on disk: one folder an entry, written aside and renamed, so that what is there is whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from keras_transfer._checks import DiskError
from keras_transfer._folders import writable_folder
from keras_transfer.caching.arrays import DiskArray
from keras_transfer.data import known_files

_ABOUT = "about.json"
_OWNER = "owner"
ENGINES_KNOWN = "engines"  # folder of the records which engine was chosen


@dataclass(frozen=True)
class Entry:
    """Activations on disk.

    Attributes:
        path: of the entry's folder.
        about: what they are, in words.
        size: bytes.
        used: time of the last use, in seconds since 1970.
    """

    path: Path
    about: str
    size: int
    used: float


def entries(folder: Path) -> list[Entry]:
    """Returns what a cache folder holds that may be read, the latest used first."""
    found = []
    for path in folder.glob("*/" + _ABOUT) if folder.is_dir() else ():
        with suppress(FileNotFoundError, PermissionError):  # another process deleted it meanwhile, or it is private
            size = sum(file.stat().st_size for file in path.parent.iterdir())
            about = json.loads(path.read_text(encoding="utf-8"))["about"]
            found.append(Entry(path.parent, about, size, path.stat().st_mtime))
    return sorted(found, key=lambda entry: -entry.used)


def clear(folder: Path) -> list[Entry]:
    """Deletes all entries of a cache folder, the records of engines and files, and what killed processes left.

    Returns:
        The entries that are gone.
    """
    for records in (ENGINES_KNOWN, known_files.FOLDER):
        shutil.rmtree(folder / records, ignore_errors=True)
    found = entries(folder)
    for entry in found:
        shutil.rmtree(entry.path, ignore_errors=True)  # those of another user may stay
    remove_abandoned(folder)
    return [entry for entry in found if not entry.path.exists()]


def open_entry(folder: Path, key: str) -> list[DiskArray] | None:
    """Returns the arrays of an entry, or None if there is none that is whole.

    Raises:
        DiskError: if there is one that may not be read: it is another user's, and whole for all we know.
    """
    path = folder / key
    try:
        count = json.loads((path / _ABOUT).read_text(encoding="utf-8"))["arrays"]
        arrays = [DiskArray(path / f"{index}.npy") for index in range(count)]
    except PermissionError as error:
        raise DiskError(
            f"Expected activations that may be read. Received: {str(path)!r} ({error}). Ask their owner for permission "
            "to read them, or give Cache(folder=...) another folder."
        ) from error
    except (OSError, ValueError, KeyError):
        return None
    with suppress(OSError):  # another user's may be read, but the time of the last use is theirs to set
        os.utime(path / _ABOUT)
    return arrays


@contextmanager
def new_entry(folder: Path, key: str, about: Mapping[str, Any]) -> Iterator[Path]:
    """Gives a hidden folder to write in, which becomes the entry at the end, or nothing if that is not reached.

    If another process has written the same entry meanwhile, its one stays. Others may read it as far as the umask lets
    them.
    """
    remove_abandoned(folder)
    writing = writable_folder(folder)
    try:
        (writing / _OWNER).write_text(f"{os.getpid()} {psutil.Process().create_time()}", encoding="utf-8")
        yield writing
        (writing / _OWNER).unlink()
        (writing / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        _take_place(writing, folder, key)
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def _take_place(writing: Path, folder: Path, key: str) -> None:
    """Renames a finished entry into its place, unless a whole one is there; a damaged one is moved out of the way.

    Nothing is deleted in its place: between a look and a deletion another process may have put a whole one there.
    """
    while True:
        try:
            writing.rename(folder / key)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if open_entry(folder, key) is not None:
            return  # another process was first, with the same content
        damaged = writing.with_name(f"{writing.name}-damaged")
        with suppress(FileNotFoundError):  # another process moved it
            (folder / key).rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)


def remove_abandoned(folder: Path) -> None:
    """Deletes what processes that are no longer there were writing."""
    for path in folder.glob(".writing-*") if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # it took its place meanwhile
            if _is_abandoned(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    try:
        pid, started = (path / _OWNER).read_text(encoding="utf-8").split()
        return psutil.Process(int(pid)).create_time() != float(started)
    except psutil.NoSuchProcess:
        return True
    except (OSError, ValueError):  # it has just been made, or was left before it could say whose it is
        return time.time() - path.stat().st_mtime > 60
