"""KnownFiles: which files were decodable when they were last looked at, so that they are checked once on a machine."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import tensorflow as tf

from keras_transfer._checks import DiskError
from keras_transfer._folders import cache_folder, write_whole
from keras_transfer._version import __version__
from keras_transfer.data.examples import stamps_of

FOLDER = "files"  # in the cache
_FEWEST = 50  # files that are worth remembering


class KnownFiles:
    """Files that were decodable, known by their path, size, times and place on the disk.

    Those that could not be used are not remembered: why is worth finding out anew.

    Args:
        paths: of files, which TensorFlow decodes itself.
        side: the longer side of the size wanted, on which depends how a file is decoded.
    """

    def __init__(self, paths: Sequence[Path], side: int):
        self._names = {path: str(path.absolute()) for path in paths}
        root = ""
        with suppress(ValueError):  # there are none, or they are on several drives
            root = os.path.commonpath(self._names.values())
        self._stamps = dict(zip(paths, stamps_of(paths).tolist(), strict=True))
        about = json.dumps([root, side, tf.__version__, __version__])
        name = blake2b(about.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self._record = cache_folder() / FOLDER / f"{name}.json"
        self._known: dict[str, list[int]] = {}
        if len(paths) >= _FEWEST:
            with suppress(OSError, ValueError):
                known = json.loads(self._record.read_text(encoding="utf-8"))
                self._known = known if isinstance(known, dict) else {}

    def __contains__(self, path: Path) -> bool:
        name = self._names.get(path)
        return name is not None and self._known.get(name) == self._stamps[path]

    def remember(self, good: Sequence[Path]) -> None:
        """Writes down files that can be decoded, if there are new ones; where that fails, they are checked again."""
        if len(self._names) < _FEWEST or all(path in self for path in good):
            return
        self._known |= {self._names[path]: self._stamps[path] for path in good}  # others of the same folder stay
        with suppress(DiskError, UnicodeEncodeError):
            write_whole(self._record, json.dumps(self._known))
