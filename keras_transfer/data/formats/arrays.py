"""NumPy's own files: one picture, or several of one size."""

from __future__ import annotations

from io import BytesIO

import numpy as np

from keras_transfer.data.formats.format import FORMATS, Format, FormatError, Opened, Picture, check_size


def open_array(content: bytes) -> Opened:
    """Opens an array `(height, width)`, `(height, width, 1, 3 or 4)`, or `(count, height, width, 1, 3 or 4)`."""
    try:
        values = np.load(BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(f"cannot be decoded ({error})") from error
    in_colours = values.ndim in (3, 4) and values.shape[-1] in (1, 3, 4)
    if values.dtype.kind not in "biuf" or not (values.ndim == 2 or in_colours):
        raise FormatError(
            f"holds an array {values.shape} of {values.dtype}; a picture is numbers (height, width), or "
            "(height, width, channels) with 1, 3 or 4 channels"
        )
    pages = values if values.ndim == 4 else values[np.newaxis]
    check_size(*pages.shape[1:3])
    return Opened(len(pages), lambda index: Picture(pages[index]))


FORMATS.register("NPY")(Format((".npy",), lambda head: head.startswith(b"\x93NUMPY"), open_array))
