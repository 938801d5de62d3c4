"""Texts from class folders of files."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._arguments import Choice, Kind, takes
from keras_transfer._checks import InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut, why_unreadable
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.listing import Wanted, examples_of_classes, files_of_classes, matches
from keras_transfer.data.sources.texts import TextForm
from keras_transfer.data.splitting.near_texts import DUPLICATES, near_text_groups
from keras_transfer.data.splitting.splits import group_ids
from keras_transfer.data.text.files import TEXT, find_texts, is_text, read_text, why_no_text
from keras_transfer.data.text.tokenizing import find_tokenizer
from keras_transfer.data.text_data import TextData

FILES = Wanted("texts", TEXT, is_text, find_texts, "If they are texts, save them as plain text named .txt.")


@takes(
    groups=Kind(callable, "a function of a path") | Choice(DUPLICATES) | None,
    encoding=Kind(str, "the name of an encoding"),
)
def from_text_directory(
    directory: str | os.PathLike[str],
    *,
    tokenizer: Any,
    length: int | None = None,
    encoding: str = "utf-8",
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    groups: Callable[[Path], Hashable] | str | None = None,
    exclude: Sequence[str] = (),
    seed: int = 0,
) -> TextData:
    """Reads texts from class folders, one `.txt` file for each.

    The directory holds one folder for each class; or `train/` and optionally `val/` and `test/`, each with one folder
    for each class. All files are read once, into memory: those that cannot be used are named in a warning and listed in
    `left_out`.

    Args:
        directory: the folder to read.
        tokenizer: that of the network; see `from_texts`.
        length: tokens of a text at most; by default those of the longest, but at most 256.
        encoding: of the files, such as "cp1252"; a mark at the beginning of UTF-8 is passed over.
        augment: augmentation of training texts; see `from_texts`.
        batch_size: number of texts in a batch.
        validation_split: share of each class that is held out for validation, in (0, 1), if there is no `val/`.
        groups: maps the path of a file to its group, such as an author; texts of one group are put on the same side of
            the split. "duplicates" groups texts that are almost the same; see `from_texts`.
        exclude: patterns of file names, or of paths below `directory`, to leave out, such as "*_draft.txt".
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if the directory does not exist, or an argument is unknown or out of range.
        DownloadError: if the tokenizer cannot be downloaded.
        DataError: if the directory or a class has no usable text, there is only one class, a split has a class that
            `train/` does not have, or the groups cannot be split.
    """
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise InputError(f"Expected an encoding that Python knows. Received: encoding={encoding!r}.") from error
    form = TextForm(find_tokenizer(tokenizer), length, augment, batch_size, validation_split, seed)
    root = Path(directory).expanduser()
    parts, files = files_of_classes(root, FILES)
    everything = [path for by_class in files.values() for paths in by_class.values() for path in paths]
    reasons = {path: _why_not(path, root, exclude, encoding) for path in everything}
    left_out = [LeftOut(path, reason) for path, reason in reasons.items() if reason is not None]
    note_left_out(left_out, len(everything), root, FILES.noun)
    usable = {
        split: {name: [path for path in paths if reasons[path] is None] for name, paths in by_class.items()}
        for split, by_class in files.items()
    }
    names = tuple(files["train"])
    splits = {
        split: _read(examples, encoding, groups)
        for split, examples in examples_of_classes(usable, names, parts, FILES.noun).items()
    }
    return form.data(splits, names, left_out, root)


def _why_not(path: Path, root: Path, exclude: Sequence[str], encoding: str) -> str | None:
    if matches(path, root, exclude):
        return "is excluded"
    reason = why_unreadable(path) or why_no_text(path, encoding)
    return reason or (None if read_text(path, encoding).strip() else "is empty")


def _read(examples: Examples, encoding: str, groups: Callable[[Path], Hashable] | str | None) -> Examples:
    paths = [Path(item) for item in examples.items]
    contents = np.empty(len(paths), dtype=object)
    contents[:] = [read_text(path, encoding) for path in paths]
    of_group = None
    if groups == DUPLICATES:
        of_group = near_text_groups(contents)
    elif callable(groups):
        of_group = group_ids([groups(path) for path in paths])
    return replace(examples, items=contents, encoded=True, groups=of_group)
