"""The bytes of an example, as a served model takes them, from a path or from bytes of any format."""

from __future__ import annotations

import os
from typing import Any

from keras_transfer._checks import InputError
from keras_transfer.data.formats import FormatError
from keras_transfer.data.kinds import Kind


def read_content(example: str | os.PathLike[str] | bytes, kind: Kind) -> bytes:
    """Returns the bytes of a file in a format that the graph decodes.

    Args:
        example: path of a file, or its bytes.
        kind: of data.

    Raises:
        InputError: if it cannot be read or decoded.
    """
    one = kind.noun.removesuffix("s")
    if not isinstance(example, (str, bytes, os.PathLike)):
        raise InputError(
            f"Expected paths of {one} files or their bytes, or one array for all. Received: {type(example).__name__}."
        )
    try:
        return kind.content_of(example)
    except FormatError as error:
        raise InputError(
            f"Expected {kind.one} file that can be decoded. Received: {shown(example)}, {error}."
        ) from error
    except OSError as error:
        raise InputError(f"Expected a readable {one} file. Received: {shown(example)} ({error.strerror}).") from error


def shown(example: Any) -> str:
    """Writes an example for a message: its path, or the number of its bytes."""
    if isinstance(example, bytes):
        return f"{len(example)} bytes"
    text = os.fspath(example)
    return repr(text) if len(text) <= 300 else f"{text[:40]!r}..., no path; base64 text is decoded first"
