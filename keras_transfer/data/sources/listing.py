"""What lies in a folder of class folders: the folders of splits and classes, their files, and files of another kind."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from keras_transfer._checks import DataError, DataWarning, InputError
from keras_transfer.data.classes import ordered, written
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import printable
from keras_transfer.data.formats.naming import file_of
from keras_transfer.data.splitting.names import SPLIT_NAMES

# what lies beside examples and is none
_BESIDE = {".txt", ".csv", ".json", ".xml", ".yaml", ".yml", ".md", ".html", ".db", ".ini", ".log", ".xlsx"}


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


@dataclass(frozen=True)
class Wanted:
    """The files that are wanted.

    Attributes:
        noun: what they are called, of more than one.
        endings: of their names.
        named: says whether a file is named like one.
        find: returns those below a folder.
        advice: what to do with files of another kind, one sentence.
    """

    noun: str
    endings: Sequence[str]
    named: Callable[[Path], object]
    find: Callable[[Path], list[Path]]
    advice: str


def files_of_classes(directory: Path, wanted: Wanted) -> tuple[dict[str, Path], dict[str, dict[str, list[Path]]]]:
    """Returns the folder of each split, and the files of each split by class.

    Raises:
        InputError: if the directory is none.
        DataError: if it has no such files in class folders, or a split has a class that "train" does not have.
    """
    if not directory.is_dir():
        raise InputError(f"Expected a folder of class folders. Received: {str(directory)!r}, which is not a folder.")
    parts = split_folders(directory)
    files = {split: _by_class(folder, wanted) for split, folder in parts.items()}
    if not any(files.values()):
        raise DataError(_nothing(directory, wanted))
    for path in (path for folder in parts.values() for path in class_folders(folder)):
        if written(path.name) not in files["train"] and not wanted.find(path):
            said = f"{printable(path.name)} {why_no_class(path, wanted.noun)}."
            warnings.warn(said, DataWarning, stacklevel=4)
    for split, by_class in files.items():
        strangers = sorted(set(by_class) - set(files["train"]))
        if strangers:
            raise DataError(
                f"Expected the classes of {str(parts['train'])!r} in {str(parts[split])!r}, {list(files['train'])}. "
                f"Received also: {strangers}."
            )
    return parts, files


def examples_of_classes(
    files: Mapping[str, Mapping[str, Sequence[Path]]], class_names: Sequence[str], parts: Mapping[str, Path], noun: str
) -> dict[str, Examples]:
    """Makes examples of the files of each split by class.

    Args:
        files: those that are used.
        class_names: whose place is the label.
        parts: folder of each split.
        noun: what the files are called.

    Raises:
        DataError: if "train" has no file of a class, or another split none at all.
    """
    splits = {split: _examples(by_class, class_names) for split, by_class in files.items()}
    for split, examples in splits.items():
        missing = [name for label, name in enumerate(class_names) if label not in examples.labels]
        if missing and split == "train":
            raise DataError(
                f"Expected usable {noun} of each class in {str(parts[split])!r}. Received none of {missing}."
            )
        if len(missing) == len(class_names):
            raise DataError(f"Expected usable {noun} in {str(parts[split])!r}, or no such folder. Received none.")
    return splits


def matches(path: Path, root: Path, patterns: Sequence[str]) -> bool:
    """Says whether the name of a file, or its path below a folder, matches a pattern."""
    file = file_of(path)
    relative = file.relative_to(root).as_posix()
    return any(fnmatch(relative, pattern) or fnmatch(file.name, pattern) for pattern in patterns)


def other_files(folder: Path, named: Callable[[Path], object]) -> list[Path]:
    """Returns the files below a folder, hidden ones aside, that are not named like what is wanted, and may be it."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not named(path)
        and path.suffix.lower() not in _BESIDE
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def why_no_class(folder: Path, noun: str = "images") -> str:
    """Says of a class folder without usable files what it holds."""
    others = Counter(path.suffix.lower() or path.name for path in folder.rglob("*") if path.is_file())
    held = ", ".join(f"{count} {suffix}" for suffix, count in others.most_common(3))
    one = noun.removesuffix("s")
    return f"holds no {one} that can be used, so there is no such class; it holds {held or 'nothing'}"


def _by_class(folder: Path, wanted: Wanted) -> dict[str, list[Path]]:
    """Returns the files of each class folder. Folders without any are not classes."""
    listed: dict[str, list[Path]] = {}
    for path in class_folders(folder):
        found = wanted.find(path)
        others = [other.suffix or other.name for other in other_files(path, wanted.named)]
        if others and found:  # where there is nothing else, it is said that there is no such class
            warnings.warn(
                f"{path.name} holds {len(others)} files that are not read, {sorted(set(others))[:5]}, "
                f"beside {len(found)} {wanted.noun}. {wanted.advice}",
                DataWarning,
                stacklevel=5,
            )
        if found:
            listed.setdefault(written(path.name), []).extend(found)
    return {name: listed[name] for name in ordered(listed)}


def _examples(by_class: Mapping[str, Sequence[Path]], class_names: Sequence[str]) -> Examples:
    used = [(str(path), label) for label, name in enumerate(class_names) for path in by_class.get(name, [])]
    items = np.array([path for path, _ in used], dtype=object)
    return Examples(items, np.array([label for _, label in used], np.int64))


def _nothing(root: Path, wanted: Wanted) -> str:
    loose = len([path for path in root.iterdir() if wanted.named(path)])
    held = f"it holds {sorted(path.name for path in root.iterdir())[:5]}"
    where = f"{loose} {wanted.noun} lie in it directly" if loose else held
    return (
        f"Expected one folder for each class below {str(root)!r}, with {wanted.noun} named "
        f"{', '.join(wanted.endings)}. Received: no {wanted.noun.removesuffix('s')} in any class folder; {where}."
    )
