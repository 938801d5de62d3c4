"""The versions of a model: the highest one below a folder is served; a newer one takes over when it is loaded.

What TF Serving does, is done: of all versions the highest is wanted; the one served stays until the wanted one is
loaded, and is then drained; a version that cannot be loaded is reported and disturbs nothing. When the served folder is
deleted, the highest that is left takes over; when none is left, the model is unloaded. While the folder of all versions
itself cannot be read, nothing changes.
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
_MOST = 2**63 - 1  # a version is an int64 in TF Serving's messages


@dataclass(frozen=True)
class Status:
    """How far a version is.

    Attributes:
        state: START, LOADING, AVAILABLE, UNLOADING or END, as TF Serving names them.
        code: OK, or why it could not be loaded.
        message: the same in words.
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
        self.path = Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - a link keeps its name, ".." goes
        self.name = self.path.name if name is None else name
        if not self.name or set(self.name) & set("/:"):  # TF Serving's URLs leave no room for them
            raise InputError(f"Expected a model name without '/' and ':'. Received: name={self.name!r}.")
        self.statuses: dict[int, Status] = {}
        self._current: Servable | None = None
        self._borrowed: Counter[Servable] = Counter()
        self._still: dict[int, object] = {}  # what a folder held when it was last looked at
        self._failed: dict[int, object] = {}  # what it held when it could not be loaded
        self._lock, self._stopping = Lock(), Event()
        self._watcher: Thread | None = None

    def start(self, poll: float) -> None:
        """Loads the highest version and begins to watch the folder every `poll` seconds.

        Raises:
            InputError: if there is no version, or it cannot be loaded.
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
        """Ends the watching."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()

    @property
    def current(self) -> Servable | None:
        """The version that is served."""
        return self._current

    @contextmanager
    def borrow(self, name: str, version: int | None = None) -> Iterator[Servable]:
        """Holds a version for one request: it is not counted as drained before.

        Raises:
            Fault: NOT_FOUND, if it is not served.
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
        """Looks for another highest version, and takes it when its folder has been still since the last look."""
        try:
            folders = self._folders()
        except OSError as error:
            _log.warning("the folder of versions cannot be read: %s", error)
            return
        for number in [number for number, status in self.statuses.items() if status.state == "START"]:
            if number not in folders:
                del self.statuses[number]  # it went before it was loaded
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
            except Exception:  # the watcher outlives whatever a folder holds
                _log.exception("looking for versions failed")

    def _load(self, version: int, folder: Path) -> None:
        self.statuses[version] = Status("LOADING")
        content = _content(folder)
        try:
            servable = Servable(folder, version)
            warm_up(servable, folder)
        except Exception as error:  # of any kind: a damaged folder must not touch the version that is served
            fault = fault_of(error)
            message = fault.message if fault.code != Code.INTERNAL else f"{type(error).__name__}: {error}"
            self.statuses[version] = Status("END", Code.UNKNOWN if fault.code == Code.OK else fault.code, message)
            self._failed[version] = content
            _log.warning("version %d cannot be loaded, and is tried again when it changes: %s", version, message)
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
            if self._current is None or servable.version != self._current.version:  # it may be back, loaded anew
                self.statuses[servable.version] = Status("END")


def _content(folder: Path) -> object:
    """What would change if somebody were still copying: names, sizes and times of all files."""
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return found
