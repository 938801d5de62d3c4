"""Which files are images, found before training: unreadable and mislabelled ones are listed by name and left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from rich.progress import track

from keras_transfer.data.images import decode
from keras_transfer.data.pipelines import mapped

EXTENSIONS = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WebP",
}
_PROGRESS_FROM = 2000  # fewer files are read in about a second


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.path)}: {self.reason}"


def printable(path: Path) -> str:
    """Writes a path so that it can be printed even if its name is not UTF-8."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def find_images(folder: Path) -> list[Path]:
    """Returns the files below a folder that are named like images, hidden ones aside, in the order of their names."""
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def check_files(paths: Sequence[Path]) -> list[LeftOut]:
    """Decodes every file as training will and returns those that cannot be used.

    A file is left out if it cannot be read, if its content is of another format than its name says, or if TensorFlow
    cannot decode it to the end. Nothing is moved or deleted.
    """
    reasons = {path: _mislabelled(path) for path in paths}
    candidates = [path for path in paths if reasons[path] is None]

    def decoded(index: tf.Tensor, path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # the corner pixel is returned because tf.data drops work that nothing needs
        return index, decode(tf.io.read_file(path))[0, 0]

    if candidates:
        names = [str(path) for path in candidates]
        numbered = tf.data.Dataset.from_tensor_slices((tf.range(len(names)), names))
        readable = mapped(numbered, decoded, in_order=False).ignore_errors(log_warning=False).as_numpy_iterator()
        if len(names) >= _PROGRESS_FROM:
            readable = track(readable, "checking images", total=len(names), transient=True)
        good = {int(index) for index, _ in readable}
        for index, path in enumerate(candidates):
            if index not in good:
                reasons[path] = _why_undecodable(path)
    return [LeftOut(path, reason) for path, reason in reasons.items() if reason is not None]


def image_format(header: bytes) -> str | None:
    """Names the format that the first 16 bytes of a file announce, if it is one of ours.

    Example:
        >>> image_format(b"GIF89a")
        'GIF'
    """
    if header.startswith(b"RIFF") and header[8:12] == b"WEBP":
        return "WebP"
    signatures = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"GIF8": "GIF", b"BM": "BMP"}
    return next((name for signature, name in signatures.items() if header.startswith(signature)), None)


def _mislabelled(path: Path) -> str | None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return "has a name that is not UTF-8; rename it"
    try:
        with path.open("rb") as file:
            header = file.read(16)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not header:
        return "is empty"
    named, held = EXTENSIONS[path.suffix.lower()], image_format(header)
    if held is None:
        return f"is named {path.suffix} but holds no image"
    return None if held == named else f"is named {path.suffix} but holds {held}"


def _why_undecodable(path: Path) -> str:
    try:
        decode(tf.io.read_file(str(path)))
    except (tf.errors.OpError, ValueError) as error:
        reason = str(error).split("}}", 1)[-1].split("[Op:")[0].strip().splitlines()[0]
        return f"cannot be decoded ({reason.removeprefix('{{').strip()})"
    return "could not be decoded at first, then could; it may have changed meanwhile"
