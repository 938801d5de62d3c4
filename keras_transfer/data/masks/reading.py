"""Reading mask files: the values of their pixels, before anything says which class a value stands for."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from keras_transfer.data.formats.format import MAX_PIXELS, FormatError
from keras_transfer.data.formats.translating import read_file
from keras_transfer.data.pixels.own_size import upright_size as own_size

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
        with _opened(content) as picture:
            if picture.mode in _WHOLE and not (coloured and picture.mode == "P"):
                return np.asarray(picture).astype(np.int32)
            colours = np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"cannot be decoded ({error or type(error).__name__})") from error
    grey = (colours == colours[..., :1]).all() and not coloured
    return colours[..., 0].astype(np.int32) if grey else colours


def _opened(content: bytes) -> Image.Image:
    """Opens a picture without decoding it.

    Raises:
        FormatError: if it is none, or announces more than `MAX_PIXELS`.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            picture = Image.open(BytesIO(content))
    except UnidentifiedImageError as error:
        raise FormatError("cannot be decoded (it is no picture)") from error
    except Image.DecompressionBombError as error:
        raise FormatError(f"has more than {MAX_PIXELS:,} pixels; make it smaller") from error
    width, height = picture.size
    if width * height > MAX_PIXELS:
        picture.close()
        raise FormatError(f"has {width} x {height} pixels, more than {MAX_PIXELS:,}; make it smaller")
    return picture


def packed(colours: np.ndarray) -> np.ndarray:
    """Returns one number for each colour: uint8 `(..., 3)` to int32 `(...)`.

    Example:
        >>> hex(packed(np.array([0, 128, 255], np.uint8)))
        '0x80ff'
    """
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    return (red << 16) | (green << 8) | blue


def upright_size(path: Path) -> tuple[int, int]:
    """Returns height and width of a picture as decoding turns it.

    Raises:
        FormatError: if it cannot be decoded.
        OSError: if it cannot be read.
    """
    height, width = own_size(tf.constant(read_file(path))).numpy()
    if not height or not width:
        raise FormatError("cannot be decoded (it is no picture)")
    return int(height), int(width)
