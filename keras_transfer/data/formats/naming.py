"""Names of files: the format they stand for, and the part of a file that is meant.

`scan.tif#page=2` is the second picture of a file, counted from 1 as in RFC 8118; `talk.wav#t=2,3.5` what is to be heard
from second 2 to second 3.5, as in W3C's Media Fragments URI 1.0, section 4.2.1.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from keras_transfer.data.formats.format import FORMATS

_PAGE = re.compile(r"#page=([1-9][0-9]*)$")
_SPAN = re.compile(r"#t=([0-9.]+),([0-9.]+)$")
NATIVE = frozenset(name for name in FORMATS.names() if FORMATS.find(name).open is None)  # TensorFlow decodes them
EXTENSIONS = {suffix: name for name in FORMATS.names() for suffix in FORMATS.find(name).suffixes}


def file_of(path: str | os.PathLike[str]) -> Path:
    """Returns the file that a path names, without the number of a page or a span of time.

    Example:
        >>> file_of("scan.tif#page=2").name
        'scan.tif'
    """
    text = os.fspath(path)
    return Path(_SPAN.sub("", _PAGE.sub("", text)) if "#" in text else text)


def page_of(path: str | os.PathLike[str]) -> int:
    """Returns the index of the page that a path names, from 0 on.

    Example:
        >>> page_of("scan.tif#page=2"), page_of("scan.tif")
        (1, 0)
    """
    found = _PAGE.search(os.fspath(path))
    return int(found[1]) - 1 if found else 0


def with_span(path: Path, start: float, end: float) -> Path:
    """Names a part of a sound file, from one second to another.

    Example:
        >>> with_span(Path("talk.wav"), 2, 3.5).name
        'talk.wav#t=2,3.5'
    """
    return path.with_name(f"{path.name}#t={start:.10g},{end:.10g}")


def span_of(path: str | os.PathLike[str]) -> tuple[float, float] | None:
    """Returns the seconds from and up to which a path names a sound; None for the whole file.

    Example:
        >>> span_of("talk.wav#t=2,3.5"), span_of("talk.wav")
        ((2.0, 3.5), None)
    """
    found = _SPAN.search(os.fspath(path))
    return (float(found[1]), float(found[2])) if found else None


def named_below(folder: Path, named: Callable[[Path], object]) -> list[Path]:
    """Returns what is named as wanted below a folder, hidden names aside, in the order of the names."""
    found = [
        path
        for path in folder.rglob("*")
        if named(path) and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def format_named(path: str | os.PathLike[str]) -> str | None:
    """Names the format that the end of a file's name stands for, if it is one of ours."""
    return EXTENSIONS.get(file_of(path).suffix.lower())


def image_format(head: bytes) -> str | None:
    """Names the format that the first 132 bytes of a file announce, if it is one of ours.

    Example:
        >>> image_format(b"GIF89a")
        'GIF'
    """
    return next((name for name in FORMATS.names() if FORMATS.find(name).announced(head)), None)
