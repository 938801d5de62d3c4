"""The bytes of a picture, as a served model takes them, from a path or from bytes of any format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from keras_transfer._checks import InputError
from keras_transfer.data.formats import FormatError
from keras_transfer.data.formats.translating import as_bmp, read_file


def read_picture(image: str | os.PathLike[str] | bytes, pixel_range: tuple[float, float] | None) -> bytes:
    """Returns the bytes of an image file in a format that the graph decodes.

    Args:
        image: path of a file, or its bytes.
        pixel_range: the values that become black and white where it has more than 8 bits a channel.

    Raises:
        InputError: if it cannot be read or decoded.
    """
    if not isinstance(image, (str, bytes, os.PathLike)):
        raise InputError(
            f"Expected paths of image files or their bytes, or one array for all. Received: {type(image).__name__}."
        )
    try:
        if isinstance(image, bytes):
            return as_bmp(image, pixel_range=pixel_range)
        return read_file(Path(image).expanduser(), pixel_range)
    except FormatError as error:
        raise InputError(f"Expected an image file that can be decoded. Received: {shown(image)}, {error}.") from error
    except OSError as error:
        raise InputError(f"Expected a readable image file. Received: {shown(image)} ({error.strerror}).") from error


def shown(image: Any) -> str:
    """Writes an image for a message: its path, or the number of its bytes."""
    if isinstance(image, bytes):
        return f"{len(image)} bytes"
    text = os.fspath(image)
    return repr(text) if len(text) <= 300 else f"{text[:40]!r}..., no path; base64 text is decoded first"
