"""Arrays of rows that are written once in order and read in any order, in memory or in `.npy` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np

_READING = Lock()  # NumPy parses a header as Python, which CPython 3.11 cannot do in two threads (gh-106905)


class MemoryArray:
    """Rows in memory.

    Args:
        rows: number of rows.
        shape: of one row.
        dtype: of the values.
    """

    def __init__(self, rows: int, shape: tuple[int, ...], dtype: str):
        self._values = np.empty((rows, *shape), dtype)
        self._written = 0
        self.shape = shape

    def append(self, rows: np.ndarray) -> None:
        """Writes the next rows."""
        self._values[self._written : self._written + len(rows)] = rows
        self._written += len(rows)

    def close(self) -> None:
        """Ends the writing."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows as float32."""
        return self._values[indices].astype(np.float32, copy=False)


class DiskWriter:
    """Writes rows to a `.npy` file, without holding them.

    Args:
        path: of the file.
        rows: number of rows.
        shape: of one row.
        dtype: of the values.
    """

    def __init__(self, path: Path, rows: int, shape: tuple[int, ...], dtype: str):
        self._file = path.open("wb")
        self._dtype = np.dtype(dtype)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (rows, *shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def append(self, rows: np.ndarray) -> None:
        """Writes the next rows."""
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)

    def close(self) -> None:
        """Ends the writing."""
        self._file.close()


class DiskArray:
    """Rows of a `.npy` file, read in any order.

    The file is mapped for each reading and let go, so that what was read does not stay in the memory of the process;
    it is held open, so that it can be read to the end when another process deletes it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path):
        self._file = path.open("rb")
        version = np.lib.format.read_magic(self._file)
        read: Callable = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            raise ValueError(f"Expected a .npy file of version 1.0. Received: {version} in {str(path)!r}.")
        with _READING:
            whole, _, self._dtype = read(self._file)
        self._whole, self._start = whole, self._file.tell()
        self.shape = whole[1:]
        expected = self._start + int(np.prod(whole, dtype=np.int64)) * self._dtype.itemsize
        if path.stat().st_size != expected:
            raise ValueError(f"Expected {expected} bytes in {str(path)!r}. Received: {path.stat().st_size}.")

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        if hasattr(self, "_file"):
            self._file.close()

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns rows as float32."""
        mapped = np.memmap(self._file, self._dtype, "r", self._start, self._whole)
        return np.asarray(mapped[indices]).astype(np.float32, copy=False)
