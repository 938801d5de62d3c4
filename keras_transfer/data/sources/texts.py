"""Texts from lists, and what all sources of texts have in common."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_transfer._arguments import Kind, Whole, takes
from keras_transfer._checks import DataError, DataWarning, InputError
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.classes import with_units
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.notes import note_left_out
from keras_transfer.data.sources.array_forms import as_labels
from keras_transfer.data.sources.assembling import check_presence
from keras_transfer.data.splitting.near_texts import DUPLICATES, near_text_groups
from keras_transfer.data.splitting.splits import SHARE, group_ids, hold_out
from keras_transfer.data.text.tokenizing import TextTokenizer, find_tokenizer
from keras_transfer.data.text_data import TEXT_FORM, TextData

_LONGEST = 256  # tokens of a text that are taken where nobody says how many
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_SHOWN = 5


@takes(**{**TEXT_FORM, "length": TEXT_FORM["length"] | None}, validation_split=SHARE, seed=Whole(0))
@dataclass(frozen=True)
class TextForm:
    """The arguments that all sources of texts share.

    Attributes:
        tokenizer: makes tokens of texts.
        length: tokens of a text at most; None for those of the longest, but at most 256.
        augment: augmentation of training texts.
        batch_size: number of texts in a batch.
        validation_split: share of each class that is held out for validation if there is no such split, in (0, 1).
        seed: seed of the split, the order and the augmentation.
    """

    tokenizer: TextTokenizer
    length: int | None
    augment: Augment
    batch_size: int
    validation_split: float
    seed: int

    @property
    def most(self) -> int:
        """Tokens of a text at most."""
        return self.length or _LONGEST

    def fitting(self, counts: np.ndarray) -> int:
        """Returns the length of the data, and warns of texts that are cut.

        Args:
            counts: tokens of each text, int `(count,)`, right up to `most`.
        """
        length = max(3, min(int(counts.max(initial=0)), self.most)) if self.length is None else self.length
        longer = int((counts > length).sum())
        if longer:
            warnings.warn(
                f"{longer} of {len(counts)} texts have more than {length} tokens; their ends are cut. "
                "Pass a larger `length` to keep more.",
                DataWarning,
                stacklevel=4,
            )
        return length

    def data(
        self,
        splits: Mapping[str, Examples],
        class_names: Sequence[str],
        left_out: Sequence[LeftOut] = (),
        root: Path | None = None,
        length: int | None = None,
    ) -> TextData:
        """Returns the data. If there is no "validation" split, a share of "train" is held out for it.

        Args:
            splits: the texts of each split by its name.
            class_names: name of each class.
            left_out: what is not used, each with its reason.
            root: folder of the files.
            length: if it is known, as `fitting` returns it.

        Raises:
            DataError: if a class or the groups cannot be split, or the training texts lack a class.
        """
        if length is None:
            counts = [self.tokenizer.lengths(part.items, self.most) for part in splits.values()]
            length = self.fitting(np.concatenate(counts))
        held = hold_out(splits, self.validation_split, self.seed, class_names)
        data = TextData(
            held,
            tuple(class_names),
            self.tokenizer,
            length,
            self.augment,
            self.batch_size,
            self.seed,
            left_out=tuple(left_out),
            root=root,
        )
        check_presence(held, class_names, "words" if data.kind.by_word else "texts")
        return data


def from_texts(
    texts: Sequence[str | bytes],
    labels: np.ndarray | Sequence[Any],
    *,
    tokenizer: Any,
    length: int | None = None,
    class_names: Sequence[str] | None = None,
    task: str | None = None,
    units: Mapping[str, str] | Sequence[str] | None = None,
    groups: Sequence[Hashable] | str | None = None,
    augment: Augment = "none",
    batch_size: int = 32,
    validation_split: float = 0.2,
    seed: int = 0,
) -> TextData:
    """Returns the data of texts in a list.

    Tokens are made in the graph by the tokenizer of the network, whatever a text holds: bytes that are no UTF-8 become
    U+FFFD. Texts of blanks alone are named in a warning and listed in `left_out`.

    Args:
        texts: strings, or bytes in UTF-8.
        labels: one for each text, in the forms that `from_arrays` takes: names or whole numbers of classes, rows of 0
            and 1 for several labels, or floats for regression.
        tokenizer: that of the network: a preset of KerasHub, by its name, handle or folder, or a
            `keras_hub.tokenizers.Tokenizer`.
        length: tokens of a text at most, 3 or more; the end of a longer text is cut. By default those of the longest,
            but at most 256.
        class_names: name of each class, label or target; by default the numbers or names that occur.
        task: "classification", "several_labels" or "regression", where the labels could be of another one.
        units: of values to estimate, by name or one for each.
        groups: what a text belongs to, such as its author, one for each; texts of one group are put on the same side of
            the split. "duplicates" groups texts that are almost the same, by their pieces of four letters.
        augment: augmentation of training texts: a name in `kt.available("text augmentation")`, a function of tokens
            int32 `(length,)`, or a list of these.
        batch_size: number of texts in a batch.
        validation_split: share of the texts of each class that is held out for validation, in (0, 1).
        seed: seed of the split, the order and the augmentation.

    Raises:
        InputError: if KerasHub is not installed, there is no such tokenizer, or an argument is unknown or out of range.
        DownloadError: if the tokenizer cannot be downloaded.
        DataError: if labels and texts or names do not fit, something is no text, or a class has only one text.
    """
    form = TextForm(find_tokenizer(tokenizer), length, augment, batch_size, validation_split, seed)
    content = as_contents(texts)
    found, names = as_labels(labels, len(content), class_names, task)
    if isinstance(groups, str) and groups != DUPLICATES:
        raise InputError(f"Expected groups='{DUPLICATES}', or a group for each text. Received: groups={groups!r}.")
    if groups is not None and groups != DUPLICATES and len(groups) != len(content):
        raise DataError(f"Expected a group for each of {len(content)} texts. Received: {len(groups)}.")
    numbers = None if groups is None else near_text_groups(content) if groups == DUPLICATES else group_ids(list(groups))
    examples = Examples(content, found, encoded=True, groups=numbers)
    if units is not None and examples.task.needs_classes:
        raise InputError(f"Expected no `units` for {examples.task.said_of_labels}. Received: {units!r}.")
    blank = [index for index, text in enumerate(content) if not text.strip()]
    left_out = [LeftOut(Path(f"text {index}"), "is empty") for index in blank]
    note_left_out(left_out, len(content), None, "texts")
    kept = examples.take(np.setdiff1d(np.arange(len(content)), blank))
    return form.data({"train": kept}, with_units(names, units), left_out)


TEXTS = Kind(
    lambda value: not isinstance(value, (str, bytes)) and hasattr(value, "__len__") and hasattr(value, "__iter__"),
    "a list of strings",
)


def as_contents(texts: Sequence[Any]) -> np.ndarray:
    """Returns texts as UTF-8: bytes `(count,)`, and warns of those that are another encoding.

    Raises:
        DataError: if something is no text.
    """
    found, strange = [], []
    for index, text in enumerate(TEXTS("texts", texts)):
        if not isinstance(text, (str, bytes)):
            raise DataError(f"Expected strings. Received: {text!r} of type {type(text).__name__} at place {index}.")
        if isinstance(text, bytes) and _REPLACED in text.decode("utf-8", "replace"):
            strange.append(index)
        found.append(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    if strange:
        warnings.warn(
            f"{len(strange)} of {len(found)} texts are bytes that are no UTF-8, such as those at the places "
            f"{strange[:_SHOWN]}; what cannot be read becomes U+FFFD. Decode them first: text.decode('cp1252').",
            DataWarning,
            stacklevel=4,
        )
    contents = np.empty(len(found), dtype=object)
    contents[:] = found
    return contents
