"""DICOM: pictures of X-rays, tomography and microscopes, by pydicom and the plug-ins that it finds."""

from __future__ import annotations

import importlib.util
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_transfer.data.formats.format import FORMATS, Format, FormatError, Opened, Picture, check_size, needs

if TYPE_CHECKING:
    from pydicom import Dataset


def open_dicom(content: bytes) -> Opened:
    """Opens a DICOM file. Its values are those after the rescale slope and intercept, such as Hounsfield units.

    Raises:
        FormatError: if pydicom or the plug-in for the file's compression is not installed, or it cannot be decoded.
    """
    if importlib.util.find_spec("pydicom") is None:
        raise needs("pydicom", "dicom", "DICOM")
    from pydicom import dcmread

    try:
        head = dcmread(BytesIO(content))
        height, width, count = int(head.Rows), int(head.Columns), int(head.get("NumberOfFrames", 1) or 1)
    except AttributeError as error:
        raise FormatError("is a DICOM file without a picture") from error
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise FormatError(f"cannot be decoded ({str(error)[:120]})") from error

    def read(index: int) -> Picture:
        check_size(height, width)
        try:
            return _picture(content, head, index)
        except Exception as error:  # of the plug-ins too; they say which of them are missing
            said = " ".join(str(error).split())[:200]
            raise FormatError(
                f"cannot be decoded ({said}); pip install 'keras-transfer[dicom]' has decoders"
            ) from error

    return Opened(count, read)


def _picture(content: bytes, head: Dataset, index: int) -> Picture:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

    values = pixel_array(BytesIO(content), index=index)  # colours as RGB
    if values.ndim == 3:
        return Picture(values)
    if head.PhotometricInterpretation == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        return Picture(apply_color_lut(values, head))
    values = apply_modality_lut(values, head)
    inverted = head.PhotometricInterpretation == "MONOCHROME1"
    centre, width = (_first(head.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is not None and width is not None and width > 0:
        if head.get("VOILUTFunction", "LINEAR") == "SIGMOID":  # PS3.3, C.11.2.1.3.1
            return Picture(1 / (1 + np.exp(-4 * (values - centre) / width)), (0.0, 1.0), inverted)
        exact = head.get("VOILUTFunction", "LINEAR") == "LINEAR_EXACT"
        shift = 0.0 if exact else 0.5  # PS3.3, C.11.2.1.2.1: the window ends in the middle of a step
        half = max(width / 2 - shift, 0.5)
        return Picture(values, (centre - shift - half, centre - shift + half), inverted)
    if "VOILUTSequence" in head:
        table = head.VOILUTSequence[0]
        return Picture(apply_voi_lut(values, head), (0.0, float(2 ** table.LUTDescriptor[2] - 1)), inverted)
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int32)
    return Picture(values, None, inverted)


def _first(value: Any) -> float | None:
    """Returns a number, or the first of several: a file may hold several windows."""
    if value is None or value == "":
        return None
    return float(np.atleast_1d(np.asarray(value, float))[0])


FORMATS.register("DICOM")(Format((".dcm", ".dicom"), lambda head: head[128:132] == b"DICM", open_dicom))
