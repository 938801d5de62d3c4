"""Why a file cannot be used, in words."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf

from keras_transfer.data.formats.format import HEAD, MAX_PIXELS, FormatError
from keras_transfer.data.formats.naming import file_of, format_named, image_format
from keras_transfer.data.formats.translating import is_foreign, read_file
from keras_transfer.data.pixels.headers import announced_size
from keras_transfer.data.pixels.images import decode

# errors of reading and decoding that come from the machine or this program, not from the file
NOT_THE_FILE = (tf.errors.ResourceExhaustedError, tf.errors.InternalError, tf.errors.CancelledError)
AT_FIRST = "could not be decoded at first, then could; it may have changed meanwhile"


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.reason}"


def printable(path: Path | str) -> str:
    """Writes a path on one line, even if its name has line breaks or is not UTF-8."""
    text = str(path).encode("utf-8", "backslashreplace").decode()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def below(path: Path, root: Path | None) -> str:
    """Writes a path as it is below a folder, or whole if it is not."""
    return printable(path.relative_to(root) if root is not None and path.is_relative_to(root) else path)


def content_of(path: Path | str) -> tf.Tensor:
    """Reads a file as the bytes that TensorFlow decodes; see `reader`."""
    return tf.constant(read_file(path)) if is_foreign(path) else tf.io.read_file(str(path))


def why_undecodable(read: Callable[[], tf.Tensor], side: int) -> str | None:
    """Says in words why the bytes that `read` gives cannot be read or decoded; None if they can.

    Raises:
        tf.errors.OpError: for what does not come from the image, such as a lack of memory.
    """
    try:
        content = read()
        height, width = (int(number) for number in announced_size(content))
        if height * width > MAX_PIXELS:
            return f"has {width} x {height} pixels, more than {MAX_PIXELS:,}; make it smaller"
        decode(content, side)
    except NOT_THE_FILE:
        raise
    except FormatError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except tf.errors.OpError as error:
        return f"cannot be decoded ({_reason(error)})"
    return None


def why_mislabelled(path: Path) -> str | None:
    """Says in words why a file cannot be read or is not what it is named, without decoding it; None if it is."""
    reason = why_unreadable(path)
    if reason is not None:
        return reason
    file = file_of(path)
    with file.open("rb") as opened:
        named, held = format_named(path), image_format(opened.read(HEAD))
    if held is None:
        return f"is named {file.suffix} but holds no image"
    return None if held == named else f"is named {file.suffix} but holds {held}"


def why_unreadable(path: Path) -> str | None:
    """Says in words why a file cannot be read, whatever it holds; None if it can."""
    file = file_of(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8; rename it"
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            return "is a folder named like a file"
        if not stat.S_ISREG(mode):
            return "is no regular file"
        with file.open("rb") as opened:
            head = opened.read(1)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if head else "is empty"


def _reason(error: Exception) -> str:
    """Returns the one line of TensorFlow's message that says what is wrong."""
    said = re.sub(r"\{\{.*?\}\}|\[Op:.*", "", str(error).split("\n\t [[")[0])
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
