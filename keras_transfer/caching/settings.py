"""Cache: where activations are stored, and how much space they may take."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from keras_transfer._arguments import PATH, Choice, Whole, takes
from keras_transfer._folders import cache_folder
from keras_transfer._memory import available_memory
from keras_transfer.engines import ENGINE

_WHERE = ("auto", "memory", "disk")
_DTYPES = ("float32", "float16")
_MEMORY_SHARE, _DISK_SHARE = 0.25, 0.5


@takes(
    where=Choice(*_WHERE),
    folder=PATH | None,
    limit=Whole(1) | None,
    dtype=Choice(*_DTYPES),
    views=Whole(0),
    engine=ENGINE,
)
@dataclass(frozen=True)
class Cache:
    """Settings for storing the activations of a model's frozen part.

    Attributes:
        where: "memory"; "disk", from which later runs can reuse them; or "auto": in memory if they fit, else on disk.
        folder: folder on disk; by default the environment variable `KERAS_TRANSFER_CACHE`, or
            `~/.cache/keras_transfer`.
        limit: the largest number of bytes to use. By default half of the free disk space; in memory a quarter of the
            memory that the machine or the container has free for "auto", and all of it for "memory".
        dtype: "float32", or "float16" for half the size, with activations rounded to 11 significant bits.
        views: number of augmented views of each image to store; each epoch uses the next one in turn. With 0,
            activations of augmented images are not stored. With one view for each epoch, training gives the same
            result as without a cache.
        engine: what computes: "tensorflow", "openvino", "onnxruntime", or "auto" for the one of those installed that
            takes the least time, compiling included, and whose numbers are within 1e-5 of TensorFlow's, relative to the
            largest. A first choice is remembered beside the activations on disk.

    Raises:
        InputError: if a value is unknown or out of its range.
    """

    where: str = "auto"
    folder: str | os.PathLike[str] | None = None
    limit: int | None = None
    dtype: str = "float32"
    views: int = 0
    engine: str = "auto"

    @property
    def path(self) -> Path:
        """The folder on disk."""
        return Path(self.folder).expanduser() if self.folder is not None else cache_folder()

    def memory_budget(self) -> int:
        """Returns the number of bytes that may be stored in memory."""
        if self.where == "disk":
            return 0
        if self.where == "memory" and self.limit is not None:
            return self.limit
        budget = int(available_memory() * (1 if self.where == "memory" else _MEMORY_SHARE))
        return budget if self.limit is None else min(budget, self.limit)

    def disk_budget(self) -> int:
        """Returns the number of bytes that may be stored on disk."""
        if self.where == "memory":
            return 0
        if self.limit is not None:
            return self.limit
        existing = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        return int(shutil.disk_usage(existing).free * _DISK_SHARE)
