"""Reading mask files: the values of their pixels, before anything says which class a value stands for."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.formats.translating import read_file

_TURNED = 5  # EXIF orientations from which on rows and columns are exchanged
_ORIENTATION = 0x0112
_WHOLE = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")  # Pillow's modes of one whole number a pixel


def read_mask(path: Path, *, coloured: bool = False) -> np.ndarray:
    """Reads the values of a mask.

    Args:
        path: of a file that Pillow reads, such as PNG.
        coloured: return colours also where a file has numbers: those of its palette.

    Returns:
        Numbers, int32 `(height, width)`: grey values or numbers in a palette; or colours, uint8 `(height, width, 3)`.

    Raises:
        FormatError: if the file cannot be decoded.
        OSError: if it cannot be read.
    """
    content = path.read_bytes()
    try:
        with Image.open(BytesIO(content)) as picture:
            if picture.mode in _WHOLE and not (coloured and picture.mode == "P"):
                return np.asarray(picture).astype(np.int32)
            colours = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise FormatError(f"cannot be decoded ({error or type(error).__name__})") from error
    grey = (colours == colours[..., :1]).all() and not coloured
    return colours[..., 0].astype(np.int32) if grey else colours


def packed(colours: np.ndarray) -> np.ndarray:
    """Returns one number for each colour: uint8 `(..., 3)` to int32 `(...)`.

    Example:
        >>> hex(packed(np.array([0, 128, 255], np.uint8)))
        '0x80ff'
    """
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue


def upright_size(path: Path) -> tuple[int, int]:
    """Returns height and width of a picture, turned as its EXIF orientation says.

    Raises:
        FormatError: if it cannot be decoded.
        OSError: if it cannot be read.
    """
    try:
        with Image.open(BytesIO(read_file(path, None))) as picture:
            width, height = picture.size
            turned = picture.getexif().get(_ORIENTATION, 1) >= _TURNED
    except UnidentifiedImageError as error:
        raise FormatError(f"cannot be decoded ({error})") from error
    return (width, height) if turned else (height, width)
