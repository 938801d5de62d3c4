"""predict_request: what a client sends to TF Serving, from pictures in the forms in which people hold them."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_transfer._arguments import Kind, takes
from keras_transfer._checks import InputError
from keras_transfer.data.formats import FormatError
from keras_transfer.data.formats.format import HEAD
from keras_transfer.data.formats.naming import image_format
from keras_transfer.data.formats.translating import as_png

_PICTURES = Kind((list, tuple), "a list of paths of pictures, their bytes, or base64 text")
_URL_SAFE = str.maketrans("-_", "+/")


@takes(images=_PICTURES, signature_name=Kind(str, "the name of a signature") | None)
def predict_request(
    images: Sequence[str | os.PathLike[str] | bytes],
    *,
    signature_name: str | None = None,
    pixel_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Returns the body of a REST request for TF Serving, ready for `json.dumps`.

    Args:
        images: paths of picture files; their bytes; or base64 text, in the standard or in the URL-safe alphabet, with
            or without padding, also as a `data:` URL. TIFF, DICOM and other formats that the graph cannot decode become
            PNG.
        signature_name: such as "features"; by default the server's own, "serving_default".
        pixel_range: that of the description of the export, for pictures with more than 8 bits in such formats.

    Raises:
        InputError: if a picture cannot be read or is none.

    Example:
        >>> gif = base64.urlsafe_b64encode(b"GIF89a" + bytes(9)).decode()
        >>> predict_request(["data:image/gif;base64," + gif])
        {'instances': [{'image_bytes': {'b64': 'R0lGODlhAAAAAAAAAAAA'}}]}
    """
    contents = [_content(image, pixel_range) for image in images]
    instances = [{"image_bytes": {"b64": base64.b64encode(content).decode("ascii")}} for content in contents]
    named = {} if signature_name is None else {"signature_name": signature_name}
    return {**named, "instances": instances}


def _content(image: Any, pixel_range: tuple[float, float] | None) -> bytes:
    if isinstance(image, (bytes, bytearray)):
        content = bytes(image)
    elif isinstance(image, str) and (image.startswith("data:") or not _is_file(image)):
        content = _from_text(image)
    elif isinstance(image, (str, os.PathLike)):
        try:
            return as_png(Path(image).expanduser(), pixel_range)
        except (OSError, FormatError) as error:
            raise InputError(f"Expected a picture file. Received: {os.fspath(image)!r} ({error}).") from error
    else:
        raise InputError(f"Expected {_PICTURES.words}. Received: {type(image).__name__} in the list.")
    if image_format(content[:HEAD]) is None:
        raise InputError(f"Expected pictures. Received: {len(content)} bytes that start with {content[:12]!r}.")
    return content


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except OSError:  # a name too long for one
        return False


def _from_text(text: str) -> bytes:
    packed = "".join(text.rpartition(",")[2].split() if text.startswith("data:") else text.split())
    packed = packed.translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        short = text if len(text) <= 60 else f"{text[:60]}..."
        raise InputError(
            f"Expected the path of a file, or base64 text. Received: {short!r}, which is neither."
        ) from error
