"""TextData: texts with labels, in the one form that training, evaluation and export take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Whole, checked_values
from keras_transfer._checks import InputError
from keras_transfer._registry import Registry
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.augment.texts import TEXT_AUGMENTATIONS
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.kinds import Texts
from keras_transfer.data.pipeline_data import PipelineData
from keras_transfer.data.pipelines.order import Order, by_length
from keras_transfer.data.text.tokenizing import TextTokenizer
from keras_transfer.data.unreadable import Replaced
from keras_transfer.plots.texts import plot_texts
from keras_transfer.tasks import TASKS, Tagging

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT_FORM = {"length": Whole(3), "batch_size": Whole(1)}


@dataclass(frozen=True, repr=False, eq=False)
class TextData(PipelineData):
    """Texts with labels, as `tf.data` pipelines for training, validation and test.

    `train` yields tokens int32 `(batch, length)`, -1 after the last token of a text, and labels int64 `(batch,)`; it is
    shuffled over the whole set in every epoch, and texts of about the same length are put together, so that batches are
    no longer than they need to be. `validation` and `test` yield theirs in order and unchanged, and are None where
    there are none. Tokens are made once and kept in memory. All else is as in `ImageData`.

    Attributes:
        splits: examples by split, of "train", "validation" and "test"; their items are texts as UTF-8.
        class_names: name of each class; a label is an index into them.
        tokenizer: what makes tokens of texts.
        length: tokens of a text at most; the end of a longer one is cut.
        augment: what changes the tokens of training texts: a name in `kt.available("text augmentation")`, a function of
            tokens, or a list of these.
        batch_size: texts in a batch.
        seed: of order and augmentation.
        left_out: files that were found but are not used.
        root: folder of the files; None for texts from elsewhere.
        shares: labels are float32 `(batch, num_classes)`, a share of each class; see `one_hot`.
        sampling, taught: how training texts are drawn, and what stands in place of labels; see `LabelledData`.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    tokenizer: TextTokenizer
    length: int = 128
    augment: augmentations.Augment = "none"
    batch_size: int = 32
    seed: int = 0
    left_out: tuple[LeftOut, ...] = ()
    root: Path | None = None
    shares: bool = False
    sampling: str = "once"
    taught: np.ndarray | None = None
    # each copy by `dataclasses.replace` has its own
    _epoch: tf.Variable = field(init=False, default_factory=lambda: tf.Variable(0, dtype=tf.int64, trainable=False))
    _replaced: Replaced = field(init=False, default_factory=Replaced)

    def __post_init__(self) -> None:
        checked_values(TEXT_FORM, {name: getattr(self, name) for name in TEXT_FORM})
        augmentations.find(self.augment, self.changes)
        if self.task.needs_classes:
            check_classes(self.class_names)
        self._check_wishes()
        if self.kind.by_word and self.augmented:
            raise InputError(f"Expected no augmentation of texts with a tag a word. Received: {self.augment!r}.")

    @property
    def changes(self) -> Registry[augmentations.Augmentation]:
        """The augmentations by name that its examples may have."""
        return TEXT_AUGMENTATIONS

    @cached_property
    def kind(self) -> Texts:
        """What a network takes, and how it is made of a text."""
        return Texts(self.tokenizer, self.length, by_word=self.task is TASKS.find(Tagging.name))

    def texts(self, split: str) -> list[str]:
        """Returns the texts of a split in the order of its examples."""
        return [item.decode("utf-8", "replace") for item in self.splits[split].items]

    @cached_property
    def _lengths(self) -> np.ndarray:
        """Tokens of each training text, int64 `(count,)`."""
        return np.minimum(self.tokenizer.lengths(self.splits["train"].items, self.length), self.length)

    def _drawn(self) -> Order:
        return by_length(super()._drawn(), self._lengths, self.batch_size, self.seed)

    def show(self, count: int = 9) -> Figure:
        """Writes a labelled sample of the training texts on a page.

        Raises:
            InputError: if `count` is not a whole number above 0.
        """
        count = Whole(1)("count", count)
        train = self.splits["train"]
        chosen = np.random.default_rng(self.seed).permutation(len(train))[:count]
        labels = [", ".join(self.task.in_words(train.labels[index], self.class_names)) for index in chosen]
        return plot_texts([train.items[index].decode("utf-8", "replace") for index in chosen], labels)

    def __repr__(self) -> str:
        sampling = ", classes drawn equally often" if self.sampling == "balanced" else ""
        classes = "tags" if self.kind.by_word else "classes"
        about = f"{self.num_classes} {classes}, up to {self.length} tokens of {self.tokenizer.name}{sampling}"
        return "\n".join([f"TextData: {about}", *self._counted("words" if self.kind.by_word else "texts")])
