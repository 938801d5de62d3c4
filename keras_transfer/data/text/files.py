"""Files of texts: which there are, and their content as UTF-8."""

from __future__ import annotations

import os
from pathlib import Path

from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.formats.naming import named_below

TEXT = (".txt", ".text")
_MARK = b"\xef\xbb\xbf"  # that some editors put before UTF-8


def is_text(path: str | os.PathLike[str]) -> bool:
    """Whether a file is named like a text."""
    return Path(path).suffix.lower() in TEXT


def find_texts(folder: Path) -> list[Path]:
    """Returns what is named like a text below a folder, hidden names aside, in the order of the names."""
    return named_below(folder, is_text)


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> bytes:
    """Returns the content of a file as UTF-8.

    Raises:
        OSError: if it cannot be read.
        FormatError: if it holds something else.
    """
    content = Path(path).read_bytes().removeprefix(_MARK)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        wrong = content[error.start : error.start + 1]
        raise FormatError(
            f"holds the byte 0x{wrong.hex()} at place {error.start}, which is not {encoding}; save it as UTF-8, or "
            "name its encoding, such as encoding='cp1252'"
        ) from error
    if "\0" in text:
        raise FormatError("holds NUL, so it is no text")
    return text.encode()


def why_no_text(path: Path, encoding: str = "utf-8") -> str | None:
    """Says in words why a file of text cannot be used; None if it can."""
    try:
        read_text(path, encoding)
    except FormatError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None
