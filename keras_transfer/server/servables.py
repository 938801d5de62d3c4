"""Servables: watches the folder of a model's versions, and serves the highest one.

It does the same as TF Serving. While a new version is being loaded, the old one is served. When the new one takes over,
the old one finishes its requests and is unloaded. A version that cannot be loaded is reported in the status, and the
old one stays. If the folder of the served version is deleted, the highest remaining version takes over; if there is
none, the model is unloaded. While the folder of all versions cannot be read, nothing changes.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

import grpc

from keras_transfer._checks import InputError
from keras_transfer.server.faults import Code, Fault, fault_of
from keras_transfer.server.servable import Servable
from keras_transfer.server.warming import warm_up

_log = logging.getLogger(__name__)
_MOST = 2**63 - 1  # TF Serving's messages hold a version as int64


@dataclass(frozen=True)
class Status:
    """The status of a version.

    Attributes:
        state: START, LOADING, AVAILABLE, UNLOADING or END, as in TF Serving.
        code: OK, or the error with which loading failed.
        message: the message of that error.
    """

    state: str
    code: grpc.StatusCode = Code.OK
    message: str = ""


class Servables:
    """The versions of one model: loads the highest version below a folder, and replaces it when a higher one appears.

    Args:
        path: folder of all versions.
        name: name of the model in URLs; by default the name of the folder.

    Raises:
        InputError: if the name is empty or has "/" or ":" in it.

    Attributes:
        path: folder of all versions.
        name: name of the model in URLs.
        statuses: the status of each version seen so far, by its number.
    """

    def __init__(self, path: str | os.PathLike[str], name: str | None = None):
        self.path = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - `resolve` would follow links and change the name
        self.name = self.path.name if name is None else name
        if not self.name or set(self.name) & set("/:"):  # they separate the parts of TF Serving's URLs
            raise InputError(f"Expected a model name without '/' and ':'. Received: name={self.name!r}.")
        self.statuses: dict[int, Status] = {}
        self._current: Servable | None = None
        self._borrowed: Counter[Servable] = Counter()
        self._still: dict[int, object] = {}  # files of each version at the last check
        self._failed: dict[int, object] = {}  # files of each version that could not be loaded
        self._lock, self._stopping = Lock(), Event()
        self._watcher: Thread | None = None

    def start(self, poll: float) -> None:
        """Loads the highest version, and starts to check the folder every `poll` seconds.

        Raises:
            InputError: if there is no version, or the highest one cannot be loaded.
        """
        try:
            folders = self._folders() if self.path.is_dir() else {}
        except OSError as error:
            raise InputError(f"Expected a folder that can be read. Received: {str(self.path)!r}: {error}.") from error
        if not folders:
            raise InputError(
                f"Expected a folder with versions 1/, 2/ and so on, as `export` and `train --output` write it. "
                f"Received: {str(self.path)!r}."
            )
        wanted = max(folders)
        self._load(wanted, folders[wanted])
        if self._current is None:
            raise InputError(
                f"Expected a version that TensorFlow can load. Received: {str(folders[wanted])!r}: "
                f"{self.statuses[wanted].message}"
            )
        self._watcher = Thread(target=self._watch, args=(poll,), name="versions", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Stops checking the folder."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()

    @property
    def current(self) -> Servable | None:
        """The version that is served."""
        return self._current

    @contextmanager
    def borrow(self, name: str, version: int | None = None) -> Iterator[Servable]:
        """Yields the served version for one request. It is not unloaded before the block ends.

        Raises:
            Fault: NOT_FOUND, if this model or version is not served.
        """
        with self._lock:
            servable = self._current
            if name != self.name or servable is None or version not in (None, servable.version):
                asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
                raise Fault(Code.NOT_FOUND, f"Servable not found for request: {asked}")
            self._borrowed[servable] += 1
        try:
            yield servable
        finally:
            with self._lock:
                self._borrowed[servable] -= 1
                self._forget_if_drained(servable)

    def look(self) -> None:
        """Checks the folder, and loads the highest version if it is new and has not changed since the last check."""
        try:
            folders = self._folders()
        except OSError as error:
            _log.warning("the folder of versions cannot be read: %s", error)
            return
        for number in [number for number, status in self.statuses.items() if status.state == "START"]:
            if number not in folders:
                del self.statuses[number]  # deleted before it was loaded
        if not folders:
            self._take(None)
            return
        wanted = max(folders)
        if self._current is not None and self._current.version == wanted:
            return
        content = _content(folders[wanted])
        still, self._still[wanted] = self._still.get(wanted) == content, content
        if not still or self._failed.get(wanted) == content:
            self.statuses.setdefault(wanted, Status("START"))
            return
        self._load(wanted, folders[wanted])

    def _folders(self) -> dict[int, Path]:
        found = (path for path in self.path.iterdir() if path.name.isdecimal() and path.is_dir())
        return {int(path.name): path for path in found if int(path.name) <= _MOST}

    def _watch(self, poll: float) -> None:
        while not self._stopping.wait(poll):
            try:
                self.look()
            except Exception:  # no content of a folder may end the watching
                _log.exception("checking for versions failed")

    def _load(self, version: int, folder: Path) -> None:
        self.statuses[version] = Status("LOADING")
        content = _content(folder)
        try:
            servable = Servable(folder, version)
            warm_up(servable, folder)
        except Exception as error:  # of any kind: a damaged folder must not affect the version that is served
            fault = fault_of(error)
            message = fault.message if fault.code != Code.INTERNAL else f"{type(error).__name__}: {error}"
            self.statuses[version] = Status("END", Code.UNKNOWN if fault.code == Code.OK else fault.code, message)
            self._failed[version] = content
            _log.warning("version %d cannot be loaded; it is tried again when its files change: %s", version, message)
            return
        self._take(servable)
        _log.info("version %d is served", version)

    def _take(self, servable: Servable | None) -> None:
        with self._lock:
            old, self._current = self._current, servable
            if servable is not None:
                self.statuses[servable.version] = Status("AVAILABLE")
                self._failed.clear()
                self._still.clear()
            if old is not None:
                self.statuses[old.version] = Status("UNLOADING")
                self._forget_if_drained(old)

    def _forget_if_drained(self, servable: Servable) -> None:
        if self._borrowed[servable] == 0:
            del self._borrowed[servable]
            if self._current is None or servable.version != self._current.version:  # else it was loaded again
                self.statuses[servable.version] = Status("END")


def _content(folder: Path) -> object:
    """Returns names, sizes and times of all files in a folder; they change while somebody still copies into it."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return found
