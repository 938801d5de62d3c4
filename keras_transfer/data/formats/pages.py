"""Files with several pictures: which of them are used."""

from __future__ import annotations

from pathlib import Path

from keras_transfer._arguments import Kind, Whole
from keras_transfer.data.formats.format import FORMATS, HEAD, FormatError
from keras_transfer.data.formats.naming import image_format
from keras_transfer.data.formats.translating import is_foreign

EACH = "each"
PAGES = Kind(
    lambda value: (isinstance(value, str) and value == EACH) or Whole(1).accepts(value),
    "'each', or the number of a page from 1 on",
)


def pages_of(path: Path, pages: str | int) -> list[Path]:
    """Returns the pictures of a file, each as a path such as `scan.tif#page=2`; a file with one as it is.

    Args:
        path: of a file in any format.
        pages: "each", or the number of a page from 1 on.
    """
    if pages == 1 or not is_foreign(path):
        return [path]
    if pages != EACH:
        return [Path(f"{path}#page={pages}")]
    try:
        count = _count(path.read_bytes())
    except (OSError, FormatError):  # the check of the files says why
        return [path]
    return [path] if count == 1 else [Path(f"{path}#page={number + 1}") for number in range(count)]


def _count(content: bytes) -> int:
    opened = FORMATS.find(image_format(content[:HEAD]) or "JPEG").open
    return 1 if opened is None else opened(content).pages
