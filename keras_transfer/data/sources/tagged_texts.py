"""Texts with a tag for each word, from lists."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError
from keras_transfer.data.classes import ordered
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.texts import TextForm
from keras_transfer.data.splitting.splits import group_ids
from keras_transfer.data.text.tokenizing import TextTokenizer, find_tokenizer
from keras_transfer.data.text.words import NOWHERE, blanks_in
from keras_transfer.data.text_data import TextData
from keras_transfer.tasks.several_labels import UNKNOWN
from keras_transfer.tasks.spans import OUTSIDE

_CHUNK = 128  # texts of which words are found together

Tagged = tuple[Sequence[str], Sequence[str]]  # the words of a text, and their tags


def from_tagged_texts(
    texts: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
    *,
    tokenizer: Any,
    length: int | None = None,
    class_names: Sequence[str] | None = None,
    groups: Sequence[Hashable] | None = None,
    batch_size: int = 32,
    validation_split: float = 0.2,
    seed: int = 0,
) -> TextData:
    """Returns the data of texts in which each word has a tag, such as whether it belongs to the name of a person.

    Build the model with `pooling=None`: it gives each token an answer. A word is tagged at its first token, as in
    Devlin and others, "BERT" (2019), section 5.3, https://arxiv.org/abs/1810.04805; its other tokens have no label.

    Args:
        texts: the words of each text, strings without blanks.
        tags: the tag of each word, of each text, such as "O", "B-PER" and "I-PER".
        tokenizer: that of the network; see `from_texts`.
        length: tokens of a text at most, 3 or more; words after it have no tag. By default those of the longest, but
            at most 256.
        class_names: the tags in the order of the outputs; by default "O" and then those that occur, by name.
        groups: what a text belongs to, such as its document, one for each; texts of one group are put on the same side
            of the split.
        batch_size: number of texts in a batch.
        validation_split: share of the texts that is held out for validation, in (0, 1).
        seed: seed of the split and the order.

    Raises:
        InputError: if KerasHub is not installed, there is no such tokenizer, or an argument is out of range.
        DownloadError: if the tokenizer cannot be downloaded.
        DataError: if a text has more words than tags or fewer, a word holds a blank, or there is only one tag.
    """
    if len(texts) != len(tags):
        raise DataError(f"Expected tags for each of {len(texts)} texts. Received: {len(tags)}.")
    if groups is not None and len(groups) != len(texts):
        raise DataError(f"Expected a group for each of {len(texts)} texts. Received: {len(groups)}.")
    form = TextForm(find_tokenizer(tokenizer), length, "none", batch_size, validation_split, seed)
    numbers = None if groups is None else group_ids(list(groups))
    return tagged_data(form, {"train": list(zip(texts, tags, strict=True))}, class_names, {"train": numbers})


def tagged_data(
    form: TextForm,
    splits: Mapping[str, Sequence[Tagged]],
    class_names: Sequence[str] | None,
    groups: Mapping[str, np.ndarray | None],
    root: Path | None = None,
) -> TextData:
    """Returns the data of texts with tags, by split.

    Args:
        form: the arguments that all sources share.
        splits: words and tags of each text.
        class_names: the tags; None for those that occur.
        groups: int64 `(count,)` by split; None where each text stands for itself.
        root: folder of the files.

    Raises:
        DataError: as `from_tagged_texts` says.
    """
    found = {split: _checked(split, rows) for split, rows in splits.items()}
    occur = {tag for rows in found.values() for _, tags in rows for tag in tags}
    names = tuple(class_names) if class_names is not None else _in_order(occur)
    if occur - set(names):
        raise DataError(f"Expected tags among {list(names[:20])}. Received also: {sorted(occur - set(names))[:20]}.")
    empty = [LeftOut(Path(f"{split} {index}"), "is empty") for split, rows in found.items()
             for index, (words, _) in enumerate(rows) if not words]  # fmt: skip
    note_left_out(empty, sum(map(len, found.values())), None, "texts")
    kept = {split: [index for index, (words, _) in enumerate(rows) if words] for split, rows in found.items()}
    chosen = {split: [found[split][index] for index in places] for split, places in kept.items()}
    length = form.fitting(np.concatenate([_counts(rows, form.tokenizer, form.most) for rows in chosen.values()]))
    examples = {}
    for split, rows in chosen.items():
        labels, of_group = _labels(rows, names, form.tokenizer, length), groups.get(split)
        of_kept = None if of_group is None else of_group[kept[split]]
        examples[split] = Examples(_contents(rows), labels, encoded=True, groups=of_kept)
    return form.data(examples, names, empty, root, length)


def _checked(split: str, rows: Sequence[Tagged]) -> list[tuple[list[str], list[str]]]:
    found = []
    for index, (words, tags) in enumerate(rows):
        if isinstance(words, str) or isinstance(tags, str):
            raise DataError(
                f"Expected a list of words and a list of tags. Received: a string as text {index}; write text.split()."
            )
        if len(words) != len(tags):
            raise DataError(
                f"Expected a tag for each word. Received: {len(words)} words and {len(tags)} tags in text {index} of "
                f"{split}, {' '.join(map(str, words[:8]))!r}."
            )
        read, named = ([_decoded(each, index) for each in part] for part in (words, tags))
        blank = blanks_in(read)
        if blank:
            raise DataError(f"Expected words without blanks. Received: {blank[0]!r} in text {index} of {split}.")
        found.append((read, named))
    return found


def _decoded(given: Any, text: int) -> str:
    """Returns a word or tag as a string that UTF-8 can hold.

    Raises:
        DataError: if it is neither a string nor bytes.
    """
    if not isinstance(given, (str, bytes)):
        raise DataError(f"Expected strings. Received: {given!r} of type {type(given).__name__} in text {text}.")
    if isinstance(given, bytes):
        return given.decode("utf-8", "replace")
    return given.encode("utf-8", "replace").decode()


def _in_order(tags: set[str]) -> tuple[str, ...]:
    """Returns the tag of no span first, then the others by name."""
    return (*([OUTSIDE] if OUTSIDE in tags else []), *ordered(tags - {OUTSIDE}))


def _contents(rows: Sequence[tuple[list[str], list[str]]]) -> np.ndarray:
    contents = np.empty(len(rows), dtype=object)
    contents[:] = [" ".join(words).encode("utf-8", "replace") for words, _ in rows]
    return contents


def _tokens(
    rows: Sequence[tuple[list[str], list[str]]], tokenizer: TextTokenizer, length: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the tokens of each text, and the place of the first one of each word."""
    for start in range(0, len(rows), _CHUNK):
        words = [words for words, _ in rows[start : start + _CHUNK]]
        tokens, places = tokenizer.of_words(tf.ragged.constant(words, tf.string), length)
        yield from zip(tokens.numpy(), places.numpy(), strict=True)


def _counts(rows: Sequence[tuple[list[str], list[str]]], tokenizer: TextTokenizer, most: int) -> np.ndarray:
    """Returns the number of tokens of each text, int `(count,)`; `most + 1` for more than `most`."""
    return np.array([(tokens > NOWHERE).sum() for tokens, _ in _tokens(rows, tokenizer, most + 1)], int)


def _labels(
    rows: Sequence[tuple[list[str], list[str]]], names: Sequence[str], tokenizer: TextTokenizer, length: int
) -> np.ndarray:
    """Returns the tag of each token, int64 `(count, length, 1)`: that of its word at the first one, else -1."""
    number = {name: index for index, name in enumerate(names)}
    labels = np.full((len(rows), length, 1), UNKNOWN, np.int64)
    for row, (_, tags), (_, places) in zip(labels, rows, _tokens(rows, tokenizer, length), strict=True):
        there = places[: len(tags)] > NOWHERE
        row[places[: len(tags)][there], 0] = np.array([number[tag] for tag in tags])[there]
    return labels
