"""Cache: where activations are kept, and how many of them."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from keras_transfer._checks import InputError, positive, unknown
from keras_transfer._memory import available_memory

_WHERE = ("auto", "memory", "disk")
_DTYPES = ("float32", "float16")
_MEMORY_SHARE, _DISK_SHARE = 0.25, 0.5


@dataclass(frozen=True)
class Cache:
    """Where the activations of a frozen part are kept.

    Attributes:
        where: "memory"; "disk", where other runs find them again; or "auto": memory if they fit, else disk.
        folder: on disk; `KERAS_TRANSFER_CACHE` or `~/.cache/keras_transfer` by default.
        limit: bytes they may take; by default a quarter of the memory that is free, in a container too, or half of the
            disk that is free.
        dtype: "float32", or "float16" for half the size and activations that are rounded to 11 bits.
        views: augmented views of each image that are kept; each epoch takes the next one in turn. 0 keeps nothing
            while images are augmented. As many as there are epochs give exactly the training without a cache.

    Raises:
        InputError: if a value is unknown or out of its range.
    """

    where: str = "auto"
    folder: str | os.PathLike[str] | None = None
    limit: int | None = None
    dtype: str = "float32"
    views: int = 0

    def __post_init__(self) -> None:
        if self.where not in _WHERE:
            raise unknown("cache", self.where, list(_WHERE))
        if self.dtype not in _DTYPES:
            raise unknown("dtype", self.dtype, list(_DTYPES))
        if self.limit is not None:
            positive("limit", self.limit, whole=True)
        if not isinstance(self.views, int) or self.views < 0:
            raise InputError(f"Expected `views` to be a whole number, 0 or more. Received: views={self.views!r}.")

    @property
    def path(self) -> Path:
        """The folder on disk."""
        return Path(self.folder).expanduser() if self.folder is not None else default_folder()

    def memory_budget(self) -> int:
        """Returns the bytes that may be kept in memory."""
        if self.where == "disk":
            return 0
        if self.where == "memory" and self.limit is not None:
            return self.limit
        budget = int(available_memory() * (1 if self.where == "memory" else _MEMORY_SHARE))
        return budget if self.limit is None else min(budget, self.limit)

    def disk_budget(self) -> int:
        """Returns the bytes that may be kept on disk."""
        if self.where == "memory":
            return 0
        if self.limit is not None:
            return self.limit
        existing = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return int(shutil.disk_usage(existing).free * _DISK_SHARE)


def default_folder() -> Path:
    """Returns where activations are kept on disk unless a folder is named."""
    given = os.environ.get("KERAS_TRANSFER_CACHE")
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(given or Path(base) / "keras_transfer").expanduser()
