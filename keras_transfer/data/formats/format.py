"""Format: how files of one format are told from others, and how they are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_transfer._registry import Registry

MAX_PIXELS = 2**30 // 4 // 3  # a quarter of a GiB in RGB, where Pillow begins to warn of decompression bombs


class FormatError(ValueError):
    """A file cannot be opened; the message is the reason, such as "needs pydicom"."""


@dataclass(frozen=True)
class Picture:
    """The values of a picture, before they are brought to [0, 255].

    Attributes:
        values: `(height, width)`, or `(height, width, channels)` with 1, 3 or 4 channels, of any dtype.
        window: the values that the file itself says are black and white; None if it does not say so.
        inverted: the largest value is black.
    """

    values: np.ndarray
    window: tuple[float, float] | None = None
    inverted: bool = False


@dataclass(frozen=True)
class Opened:
    """A file whose pictures can be read.

    Attributes:
        pages: the number of pictures in it.
        read: returns the picture of a number from 0 on.
    """

    pages: int
    read: Callable[[int], Picture]


@dataclass(frozen=True)
class Format:
    """A format of picture files.

    Attributes:
        suffixes: what names of its files end in, in small letters.
        announced: whether bytes begin like a file of the format; they are the first `HEAD` ones or all.
        open: opens the bytes of a file, or raises FormatError; None where TensorFlow decodes them.
    """

    suffixes: tuple[str, ...]
    announced: Callable[[bytes], bool]
    open: Callable[[bytes], Opened] | None = None


FORMATS: Registry[Format] = Registry("picture format")
HEAD = 132  # bytes that tell the format, the last of them for DICOM


def check_size(height: int, width: int) -> None:
    """Refuses a picture that is too large to decode, before it is.

    Raises:
        FormatError: if it has more than `MAX_PIXELS`.
    """
    if height * width > MAX_PIXELS:
        raise FormatError(f"has {width} x {height} pixels, more than {MAX_PIXELS:,}; make it smaller")


def needs(library: str, extra: str, what: str) -> FormatError:
    """Returns the error for a library that is not installed."""
    return FormatError(f"{what} needs {library}: pip install 'keras-transfer[{extra}]'")
