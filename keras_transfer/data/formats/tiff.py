"""TIFF: by Pillow where it keeps the numbers of the file, else by tifffile."""

from __future__ import annotations

import importlib.util
from io import BytesIO

import numpy as np

from keras_transfer.data.formats.format import FORMATS, Format, FormatError, Opened, Picture, check_size, needs
from keras_transfer.data.formats.pillow import frame, opened

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")  # TIFF 6.0, section 2; BigTIFF
_BITS, _SAMPLE_FORMAT, _SAMPLES = 258, 339, 277  # tags
_UNSIGNED, _MOST_CHANNELS = 1, 4
_NARROW = 15  # pixels: no picture is so narrow, and no satellite has as many bands


def open_tiff(content: bytes) -> Opened:
    """Opens a TIFF file of 1 to 64 bits.

    Raises:
        FormatError: if it cannot be decoded, or tifffile is needed and not installed.
    """
    try:
        picture = opened(content)
    except FormatError:
        return _by_tifffile(content)
    tags = picture.tag_v2  # type: ignore[attr-defined]  # of TIFF files
    bits, samples = max(tags.get(_BITS, (1,))), tags.get(_SAMPLES, 1)
    unsigned = set(tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))) == {_UNSIGNED}
    pages = getattr(picture, "n_frames", 1)
    if pages > _NARROW and picture.width <= _NARROW:  # as tifffile writes an array of more channels than four
        raise FormatError(
            f"holds {pages} pages of {picture.width} x {picture.height} pixels, which look like {picture.width} "
            "channels of one picture; read it with tifffile, and pass it to from_arrays with channels="
        )
    exact = (bits <= 8 and samples <= _MOST_CHANNELS) or (samples == 1 and ((bits == 16 and unsigned) or bits == 32))
    if not exact:
        return _by_tifffile(content)

    def read(index: int) -> Picture:
        values = frame(picture, index)
        return Picture(values.view(np.uint32) if values.dtype == np.int32 and unsigned else values)

    return Opened(pages, read)


def _by_tifffile(content: bytes) -> Opened:
    if importlib.util.find_spec("tifffile") is None:
        raise needs("tifffile", "tiff", "this kind of TIFF")
    from tifffile import TiffFile

    try:
        pages = TiffFile(BytesIO(content)).pages
        count = len(pages)
    except Exception as error:  # tifffile raises its own errors and those of struct
        raise FormatError(f"cannot be decoded ({str(error)[:120]})") from error

    def read(index: int) -> Picture:
        try:
            page = pages[index].aspage()
            check_size(page.imagelength, page.imagewidth)
            values = page.asarray()
            if "S" in page.axes and page.axes.index("S") == 0:  # each channel is stored by itself
                values = np.moveaxis(values, 0, -1)
        except FormatError:
            raise
        except Exception as error:  # of its decoders too
            raise FormatError(f"cannot be decoded ({str(error)[:120]})") from error
        values = np.squeeze(values)
        if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[-1] not in (1, 3, 4)):
            raise FormatError(
                f"holds values {values.shape}; a picture is (height, width) with 1, 3 or 4 channels. Read others with "
                "tifffile, and pass them to from_arrays with channels="
            )
        return Picture(values)

    return Opened(count, read)


FORMATS.register("TIFF")(Format((".tif", ".tiff"), lambda head: head.startswith(_MAGIC), open_tiff))
