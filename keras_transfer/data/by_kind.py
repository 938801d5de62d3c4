"""What is done with files by the kind of data that they hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from keras_transfer.data.faults import LeftOut, why_unreadable
from keras_transfer.data.files import check_files, find_images
from keras_transfer.data.hearing import listen
from keras_transfer.data.kinds import Images, Kind, Sounds, Texts
from keras_transfer.data.sound.files import find_sounds
from keras_transfer.data.text.files import find_texts, why_no_text


def files_of(kind: Kind, folder: Path) -> list[Path]:
    """Returns the files of a kind below a folder, hidden ones aside, in the order of their names."""
    return _FIND[type(kind)](folder)


def kind_of_files(source: str | os.PathLike[str]) -> type[Kind]:
    """Returns the kind of the files below a folder: images or sounds, whichever are more; texts where there is neither.

    A text beside a picture often tells about it. Without a folder it is images.
    """
    folder = Path(source).expanduser()
    counts = {kind: len(find(folder)) if folder.is_dir() else 0 for kind, find in _FIND.items()}
    others = {kind: count for kind, count in counts.items() if kind is not Texts}
    return max(counts if not any(others.values()) else others, key=lambda kind: counts[kind])


def faults_in(kind: Kind, paths: Sequence[Path]) -> list[LeftOut]:
    """Returns those of some files that cannot be used, each with the reason."""
    return _EXAMINE[type(kind)](kind, paths)


def _of_images(kind: Images, paths: Sequence[Path]) -> list[LeftOut]:
    return check_files(paths, max(kind.image_size))


def _of_sounds(kind: Sounds, paths: Sequence[Path]) -> list[LeftOut]:
    return listen(paths)[1]


def _of_texts(kind: Texts, paths: Sequence[Path]) -> list[LeftOut]:
    reasons = {path: why_unreadable(path) or why_no_text(path) for path in paths}
    return [LeftOut(path, reason) for path, reason in reasons.items() if reason is not None]


_FIND: dict[type[Kind], Callable[[Path], list[Path]]] = {Images: find_images, Sounds: find_sounds, Texts: find_texts}
_EXAMINE: dict[type[Kind], Callable[[Any, Sequence[Path]], list[LeftOut]]] = {
    Images: _of_images,
    Sounds: _of_sounds,
    Texts: _of_texts,
}
