"""What is done with files by the kind of data that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_transfer.data.faults import LeftOut
from keras_transfer.data.files import check_files, find_images
from keras_transfer.data.hearing import listen
from keras_transfer.data.kinds import Images, Kind
from keras_transfer.data.sound.files import find_sounds


def files_of(kind: Kind, folder: Path) -> list[Path]:
    """Returns the files of a kind below a folder, hidden ones aside, in the order of their names."""
    return find_images(folder) if isinstance(kind, Images) else find_sounds(folder)


def faults_in(kind: Kind, paths: Sequence[Path]) -> list[LeftOut]:
    """Returns those of some files that cannot be used, each with the reason."""
    return check_files(paths, max(kind.image_size)) if isinstance(kind, Images) else listen(paths)[1]
