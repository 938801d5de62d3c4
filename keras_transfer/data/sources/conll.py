"""Texts with a tag for each word, from files in the form of CoNLL's shared tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._checks import DataError, InputError
from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.sources.tagged_texts import tagged_data
from keras_transfer.data.sources.texts import TextForm
from keras_transfer.data.splitting.names import SPLIT_NAMES
from keras_transfer.data.text.files import read_text
from keras_transfer.data.text.tokenizing import find_tokenizer
from keras_transfer.data.text_data import TextData

_DOCUMENT = "-DOCSTART-"
_UNIVERSAL = 10  # columns of CoNLL-U, in which 1-2 and 8.1 number what is no word of its own
_PART = re.compile(r"\d+[-.]\d+")
_OTHER_NAMES = {"dev": "validation", "testa": "validation", "testb": "test"}  # in CoNLL-2003 and Universal Dependencies


def from_conll(
    path: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]],
    *,
    tokenizer: Any,
    length: int | None = None,
    word_column: int = 0,
    tag_column: int = -1,
    encoding: str = "utf-8",
    class_names: Sequence[str] | None = None,
    batch_size: int = 32,
    validation_split: float = 0.2,
    seed: int = 0,
) -> TextData:
    """Reads texts in which each word has a tag from files with one word a line.

    The columns of a line stand between tabs or blanks; an empty line ends a text. Lines that begin with "-DOCSTART-"
    begin a document, whose texts are put on the same side of a split. Comments before a text, such as "# id = 1", are
    passed over, and of CoNLL-U the lines of ranges and empty words.

    Args:
        path: a file; a mapping from "train", "validation" and "test" to files; or a folder with one file for each,
            named such as `train.txt`, `valid.conll` or `eng.testa`.
        tokenizer: that of the network; see `from_texts`.
        length: tokens of a text at most; by default those of the longest, but at most 256.
        word_column: of the word, counted from 0; negative from the end.
        tag_column: of the tag, the last one by default.
        encoding: of the files.
        class_names: the tags in the order of the outputs; by default "O" and then those that occur, by name.
        batch_size: number of texts in a batch.
        validation_split: share of the texts that is held out for validation, in (0, 1), if there is no such file.
        seed: seed of the split and the order.

    Raises:
        InputError: if there is no such file, KerasHub is not installed, or there is no such tokenizer.
        DownloadError: if the tokenizer cannot be downloaded.
        DataError: if a file is no text, a line has too few columns (the message names it), or there is only one tag.
    """
    files = _files(path)
    form = TextForm(find_tokenizer(tokenizer), length, "none", batch_size, validation_split, seed)
    texts, groups = {}, {}
    for split, file in files.items():
        texts[split], groups[split] = _read(file, encoding, word_column, tag_column)
    return tagged_data(form, texts, class_names, groups, files["train"].parent)


def _files(path: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]]) -> dict[str, Path]:
    """Returns the file of each split."""
    if isinstance(path, Mapping):
        found = {split: Path(file).expanduser() for split, file in path.items()}
        if "train" not in found or set(found) - {"train", "validation", "test"}:
            raise InputError(f"Expected files for 'train', 'validation' and 'test'. Received: {list(found)}.")
    else:
        root = Path(path).expanduser()
        found = {"train": root} if not root.is_dir() else _in_folder(root)
    missing = [str(file) for file in found.values() if not file.is_file()]
    if missing:
        raise InputError(f"Expected a file of words and tags. Received: {missing[0]!r}, which is none.")
    return found


def _in_folder(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(path for path in root.iterdir() if path.is_file()):
        parts = (file.stem.lower(), file.suffix.lower().removeprefix("."))
        split = next((split for part in parts for split in [_split_named(part)] if split), None)
        if split is None:
            continue
        if split in found:
            raise DataError(f"Expected one file for {split}. Received: {found[split].name!r} and {file.name!r}.")
        found[split] = file
    if "train" not in found:
        raise DataError(f"Expected a file such as train.txt in {str(root)!r}. Received: {list(found) or 'none'}.")
    return found


def _split_named(name: str) -> str | None:
    parts = [name, *re.split(r"[-_.]", name)]
    return next((split for part in parts for split in [_OTHER_NAMES.get(part) or SPLIT_NAMES.get(part)] if split), None)


def _read(
    file: Path, encoding: str, word_column: int, tag_column: int
) -> tuple[list[tuple[list[str], list[str]]], np.ndarray | None]:
    """Returns words and tags of each text of a file, and the number of its document, if there are several."""
    try:
        lines = re.split(r"\r\n|\r|\n", read_text(file, encoding).decode())
    except (FormatError, OSError, LookupError) as error:
        raise DataError(f"Expected a text. Received: {file.name!r}, which {error}.") from error
    needed = max(2, *(column + 1 if column >= 0 else -column for column in (word_column, tag_column)))
    texts: list[tuple[list[str], list[str]]] = []
    documents: list[int] = []
    words: list[str] = []
    tags: list[str] = []
    document = 0
    for number, line in enumerate([*lines, ""], start=1):
        begins = line.startswith(_DOCUMENT)
        if not line.strip() or begins:
            if words:
                texts.append((words, tags))
                documents.append(document)
                words, tags = [], []
            document += begins
            continue
        columns = line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))
        if (not words and _is_comment(line, columns)) or (len(columns) == _UNIVERSAL and _PART.fullmatch(columns[0])):
            continue
        tag = columns[tag_column].strip() if len(columns) >= needed else ""
        if not tag:
            raise DataError(
                f"Expected a word and a tag in each line, {needed} columns or more. Received: {line[:60]!r} in "
                f"line {number} of {file.name!r}."
            )
        words.append("_".join(columns[word_column].split()) or "_")
        tags.append(tag)
    if not texts:
        raise DataError(f"Expected texts, one word a line. Received: none in {file.name!r}.")
    return texts, np.array(documents) if document > 1 else None


def _is_comment(line: str, columns: Sequence[str]) -> bool:
    """Says whether a line before the first word of a text is about it: "# id = 1", but not the word "#" and its tag."""
    about = "=" in line or columns[1:2] in (["newdoc"], ["newpar"], ["id"])
    return line.startswith("#") and (about or len(columns) < 2)
