"""Examples: what one split holds, before anything is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import numpy as np

from keras_transfer.data.formats.naming import file_of
from keras_transfer.tasks import Task, task_of_labels

_MISSING = (-1, -1, -1, -1)


@dataclass(frozen=True, eq=False)
class Examples:
    """What one split holds, before anything is decoded.

    Attributes:
        items: `(count,)` paths of files or their bytes, or images `(count, height, width, 3)` in [0, 255].
        labels: `(count,)` integers; `(count, num_classes)` of 0 and 1 for several labels an image; or float32
            `(count, targets)` for regression.
        encoded: the items are bytes of files, not their paths.
        groups: int64 `(count,)` of what must not be on both sides of a split; None if each image stands for itself.
    """

    items: np.ndarray
    labels: np.ndarray
    encoded: bool = False
    groups: np.ndarray | None = None
    _listed: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False)  # paths, and a stamp of each

    def __post_init__(self) -> None:
        if self.in_files and (self._listed is None or self._listed[0] is not self.items):
            object.__setattr__(self, "_listed", (self.items, stamps_of(self.items)))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def task(self) -> Task:
        """The task that the labels are of."""
        return task_of_labels(self.labels)

    @property
    def in_files(self) -> bool:
        """Whether the items are paths of files."""
        return self.items.dtype.kind not in "iuf" and not self.encoded

    @property
    def changed(self) -> np.ndarray:
        """Indices of the files that were written, replaced or deleted since they were listed: int64 `(n,)`.

        Size, times and place on the disk are compared: what can change a file's content changes one of them. So do
        other permissions and links.
        """
        if self._listed is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero((stamps_of(self.items) != self._listed[1]).any(axis=1))

    def take(self, indices: np.ndarray) -> Examples:
        """Returns the examples at these indices."""
        items, groups = self.items[indices], None if self.groups is None else self.groups[indices]
        listed = None if self._listed is None else (items, self._listed[1][indices])
        return replace(self, items=items, labels=self.labels[indices], groups=groups, _listed=listed)

    def followed_by(self, other: Examples) -> Examples:
        """Returns these examples and then those of another split; in groups only if both are."""
        items, labels = (
            np.concatenate([getattr(each, name) for each in (self, other)]) for name in ("items", "labels")
        )
        groups = None
        if self.groups is not None and other.groups is not None:
            groups = np.concatenate([self.groups, other.groups])
        listed = None
        if self._listed is not None and other._listed is not None:
            listed = (items, np.concatenate([self._listed[1], other._listed[1]]))
        return replace(self, items=items, labels=labels, groups=groups, _listed=listed)

    def digest(self) -> bytes:
        """Returns a hash of the items: images and encoded images by their content, files by their paths."""
        found = blake2b(f"{self.encoded} {self.items.dtype} {self.items.shape}".encode(), digest_size=32)
        for item in self.items:
            if isinstance(item, np.ndarray):
                found.update(np.ascontiguousarray(item).data)
            else:
                content = item if self.encoded else os.fsencode(item)
                found.update(len(content).to_bytes(8, "little"))  # so that no two lists run together alike
                found.update(content)
        return found.digest()


def stamps_of(paths: Iterable[str | bytes | os.PathLike[str]]) -> np.ndarray:
    """Returns what tells of a change of files, without reading them: int64 `(count, 4)`, -1 where there is no file."""
    return np.array([_stamp(path) for path in paths], np.int64).reshape(-1, len(_MISSING))


def _stamp(path: str | bytes | os.PathLike[str]) -> tuple[int, ...]:
    try:
        about = file_of(os.fsdecode(path)).stat()
    except OSError:
        return _MISSING
    # the time of the last change of status cannot be set back, as that of the content can
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino % 2**63
