"""Formats that Pillow decodes and TensorFlow does not: PPM and its kin, AVIF, HEIC, JPEG 2000."""

from __future__ import annotations

import importlib.util
import warnings
from io import BytesIO
from threading import Lock

import numpy as np
from PIL import Image, ImageOps, features

from keras_transfer.data.formats.format import FORMATS, Format, FormatError, Opened, Picture, check_size, needs

_HEIC = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")  # ISO/IEC 23008-12, brands
_FILTERS = Lock()
_EXACT = ("L", "RGB", "F", "I", "I;16", "I;16L", "I;16B", "I;16N")  # modes whose numbers are those of the file


def open_by_pillow(content: bytes) -> Opened:
    """Opens what Pillow decodes.

    Raises:
        FormatError: if it cannot.
    """
    picture = opened(content)
    return Opened(getattr(picture, "n_frames", 1), lambda index: Picture(frame(picture, index)))


def opened(content: bytes) -> Image.Image:
    """Reads the head of a file.

    Raises:
        FormatError: if Pillow cannot.
    """
    try:
        # of a decompression bomb, whose size is looked at later, and of damage; one thread at a time sets the filters
        with _FILTERS, warnings.catch_warnings(action="ignore"):
            return Image.open(BytesIO(content))
    except Exception as error:  # plug-ins raise what they like for files that are cut off or damaged
        raise FormatError(f"cannot be decoded ({_short(error)})") from error


def frame(picture: Image.Image, index: int) -> np.ndarray:
    """Returns the values of one picture of an opened file, turned upright; transparency is dropped.

    Raises:
        FormatError: if it cannot be decoded.
    """
    check_size(picture.height, picture.width)
    try:
        if index:
            picture.seek(index)
            check_size(picture.height, picture.width)
        upright = ImageOps.exif_transpose(picture)
        grey = upright.mode in ("1", "LA", "La")
        plain = upright if upright.mode in _EXACT else upright.convert("L" if grey else "RGB")
        values = np.array(plain)
    except FormatError:
        raise
    except Exception as error:  # of plug-ins, as above
        raise FormatError(f"cannot be decoded ({_short(error)})") from error
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def open_heic(content: bytes) -> Opened:
    """Opens an HEIC file, by pillow-heif.

    Raises:
        FormatError: if pillow-heif is not installed, or the file cannot be decoded.
    """
    if importlib.util.find_spec("pillow_heif") is None:
        raise needs("pillow-heif", "heic", "HEIC")
    from pillow_heif import register_heif_opener

    register_heif_opener()  # Pillow keeps one opener of a name, so a second time changes nothing
    return open_by_pillow(content)


def open_avif(content: bytes) -> Opened:
    """Opens an AVIF file.

    Raises:
        FormatError: if Pillow was built without AVIF, or the file cannot be decoded.
    """
    if not features.check("avif"):
        raise FormatError("AVIF needs Pillow 11.3 or later: pip install --upgrade pillow")
    return open_by_pillow(content)


def _short(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].split("<_io.")[0].strip()[:120]


def _brand(head: bytes) -> bytes:
    return head[8:12] if head[4:8] == b"ftyp" else b""


FORMATS.register("PNM")(
    Format(
        (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
        lambda head: head[:1] == b"P" and head[1:2] in b"123456fF" and head[2:3].isspace(),
        open_by_pillow,
    )
)
FORMATS.register("JPEG 2000")(
    Format(
        (".jp2", ".j2k", ".jpx"),
        lambda head: head.startswith((b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")),
        open_by_pillow,
    )
)
FORMATS.register("AVIF")(Format((".avif",), lambda head: _brand(head) in (b"avif", b"avis"), open_avif))
FORMATS.register("HEIC")(Format((".heic", ".heif"), lambda head: _brand(head) in _HEIC, open_heic))
