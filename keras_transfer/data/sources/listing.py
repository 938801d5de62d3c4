"""What lies in a folder of class folders: the folders of splits and classes, and files that are no images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from keras_transfer._checks import DataError
from keras_transfer.data.formats.naming import format_named

# what lies beside pictures and is none
_BESIDE = {".txt", ".csv", ".json", ".xml", ".yaml", ".yml", ".md", ".html", ".db", ".ini", ".log", ".xlsx"}
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def split_folders(root: Path) -> dict[str, Path]:
    """Returns the folder of each split by its name; without `train/` the directory itself, as "train".

    Raises:
        DataError: if there are two folders for one split.
    """
    found: dict[str, Path] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        split = SPLIT_NAMES.get(folder.name.lower())
        if split in found:
            raise DataError(f"Expected one {split} folder. Received: {found[split].name!r} and {folder.name!r}.")
        if split is not None and any(path.is_dir() for path in folder.iterdir()):
            found[split] = folder
    return found if "train" in found else {"train": root}


def class_folders(folder: Path) -> list[Path]:
    """Returns the folders of the classes, hidden ones aside, whether they hold images or not."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def other_files(folder: Path) -> list[Path]:
    """Returns the files below a folder, hidden ones aside, whose names are not those of images, and may be images."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not format_named(path)
        and path.suffix.lower() not in _BESIDE
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def why_no_class(folder: Path) -> str:
    """Says of a class folder without usable images what it holds."""
    others = Counter(path.suffix.lower() or path.name for path in folder.rglob("*") if path.is_file())
    held = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(3))
    return f"holds no image that can be used, so there is no such class; it holds {held or 'nothing'}"
