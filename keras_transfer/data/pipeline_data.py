"""PipelineData: what all kinds of data share, from the examples of a split to batches as `tf.data` pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Whole
from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.augment.masks import find_with_masks
from keras_transfer.data.by_kind import faults_in
from keras_transfer.data.faults import NOT_THE_FILE, LeftOut, below
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.pipelines.options import ready
from keras_transfer.data.pipelines.order import Order, drawn, in_turn
from keras_transfer.data.pipelines.reading import augmented, batched, examples_of
from keras_transfer.data.pipelines.substitutes import Substitutes
from keras_transfer.data.unreadable import Replaced, Unreadable
from keras_transfer.tasks import TASKS, Classification


class PipelineData(LabelledData):
    """Labelled examples whose pipelines are made by `kind`, which says how an example is read.

    A subclass is a dataclass with the attributes of `LabelledData`; `_epoch`, an int64 variable; and `_replaced`. Each
    copy by `dataclasses.replace` has its own of both.
    """

    left_out: tuple[LeftOut, ...]
    _epoch: tf.Variable
    _replaced: Replaced

    @property
    def augmented(self) -> bool:
        """Whether training examples are others in every epoch."""
        return self.augment not in ("none", ["none"], ("none",), [], ())

    @cached_property
    def train(self) -> tf.data.Dataset:
        """Training batches: another order and other augmentation in each epoch."""
        order = self._drawn()
        substitutes = self._substitutes(order, "train")
        examples = self._examples(order, "train", substitutes, keep=True)
        return self._batches(self._augmented(examples), "train", self._mixing, substitutes)

    @cached_property
    def validation(self) -> tf.data.Dataset | None:
        """Validation batches in a fixed order, without augmentation."""
        return self._unchanged("validation")

    @cached_property
    def test(self) -> tf.data.Dataset | None:
        """Test batches in a fixed order, without augmentation."""
        return self._unchanged("test")

    def order(self) -> tf.data.Dataset:
        """Yields `(index, use)` of the training examples in the order of the next epoch, and so on."""
        order = self._drawn()
        return order.starts().map(lambda *start: order.chunk(*start)[:2]).unbatch()

    def in_order(self, split: str, *, epoch: int | None = None) -> tf.data.Dataset:
        """Yields batches of a split in the order of its examples, each of them, unchanged or as augmented in an epoch.

        Iterate within `naming_bad_files`: a file that has become unreadable is an error here.
        """
        examples = self._examples(in_turn(len(self.splits[split]), epoch or 0), split)
        return self._batches(examples if epoch is None else self._augmented(examples), split, trim=False)

    @contextmanager
    def naming_bad_files(self, split: str) -> Iterator[None]:
        """Raises DataError with the names of files that are no longer usable, where reading a split fails."""
        try:
            yield
        except NOT_THE_FILE:
            raise
        except tf.errors.OpError as error:
            examples = self.splits[split]
            bad = faults_in(self.kind, [Path(item) for item in examples.items]) if examples.in_files else []
            if not bad:
                raise
            named = "; ".join(f"{below(item.path, self.root)} {item.reason}" for item in bad[:10])
            raise DataError(
                f"Expected the files that were there when the data was made. Received: {len(bad)} that changed, "
                f"{named}. Read the data again to leave them out."
            ) from error

    def changed_files(self) -> list[Path]:
        """Returns the files that were written, replaced or deleted since they were listed, without reading them.

        Other permissions or links count too: what sets back a file's time cannot be told from them.
        """
        return [Path(part.items[index]) for part in self.splits.values() for index in part.changed]

    def replaced(self) -> list[Unreadable]:
        """Returns the files that could not be read in passes since it was last called, and forgets them.

        Each has a path, the reason, and the number of times that another example took its place.
        """
        return self._replaced.taken()

    def start_epoch(self, epoch: int) -> None:
        """Makes the next pass over `train` that of an epoch, counted from 0; passes after it go on from there."""
        self._epoch.assign(epoch)

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next pass over `train` will be, counted from 0."""
        return int(self._epoch.numpy())

    @property
    def mixes(self) -> bool:
        """Whether the augmentation mixes examples, so that labels are shares of the classes."""
        return self._mixing is not None

    @property
    def _mixing(self) -> augmentations.Mixing | None:
        """What is done to a training batch after all else; None for nothing."""
        return None

    def _check_wishes(self) -> None:
        """Checks that labels are of one class, where something is wanted of them that others do not have.

        Raises:
            InputError: if they are not.
        """
        balanced = self.sampling == "balanced"
        wishes = {f"mix {self.kind.noun}": self.mixes, "write it one-hot": self.shares}
        wishes["draw classes equally often"] = balanced
        wanted = next((wish for wish, given in wishes.items() if given), None)
        if wanted and self.task is not TASKS.find(Classification.name):
            raise InputError(f"Expected one class {self.kind.one}, to {wanted}. Received: {self.task.said_of_labels}.")

    def _sample(self, count: int, augmented: bool) -> tuple[list[np.ndarray], list[str]]:
        """Returns a seeded sample of the training examples, with their labels in words."""
        found, labels = self._drawn_sample(count, augmented)
        return list(found), [", ".join(self.task.in_words(label, self.class_names)) for label in labels]

    def _drawn_sample(self, count: int, augmented: bool) -> tuple[np.ndarray, np.ndarray]:
        """Returns a seeded sample of the training examples, and their labels."""
        count = Whole(1)("count", count)
        chosen = tf.constant(np.random.default_rng(self.seed).permutation(len(self.splits["train"]))[:count])
        order = Order(len(chosen), lambda places, epoch: tf.gather(chosen, places), lambda: tf.constant(0, tf.int64))
        substitutes = self._substitutes(order, "train")
        examples = self._examples(order, "train", substitutes)
        examples = (self._augmented(examples) if augmented else examples).batch(len(chosen))
        (batch,) = examples if substitutes is None else substitutes.watch(examples)
        found, labels, *_ = (part.numpy() for part in batch)
        return found, labels

    def _counted(self, noun: str) -> list[str]:
        """Writes a line for each split, with its number of examples."""
        lines = []
        for split, by_class in self.counts.items():
            total = sum(by_class.values())
            shares = {name: f"{number / max(total, 1):.1%}" for name, number in by_class.items()}
            said = [f"{name} {shares[name] if self.masked else number}" for name, number in by_class.items()]
            more = ", ..." if len(by_class) > 8 else ""
            count = f"{len(self.splits[split]) if self.masked else total:>6} {noun}"
            lines.append(f"  {split:<11}{count}: {', '.join(said[:8])}{more}")
        if self.left_out:
            lines.append(f"  left out   {len(self.left_out):>6} files")
        return lines

    def _unchanged(self, split: str) -> tf.data.Dataset | None:
        if split not in self.splits:
            return None
        order = in_turn(len(self.splits[split]))
        substitutes = self._substitutes(order, split)
        return self._batches(self._examples(order, split, substitutes, keep=True), split, substitutes=substitutes)

    def _drawn(self) -> Order:
        return drawn(self.sampling, self.splits["train"].labels, self.seed, self._epoch)

    def _substitutes(self, order: Order, split: str) -> Substitutes | None:
        examples = self.splits[split]
        return (
            self._replaced.substitutes(order, examples, self.kind, partial(faults_in, self.kind))
            if examples.in_files
            else None
        )

    def _examples(
        self, order: Order, split: str, substitutes: Substitutes | None = None, *, keep: bool = False
    ) -> tf.data.Dataset:
        return examples_of(order, self.splits[split], self.kind, substitutes=substitutes, keep=keep)

    def _augmented(self, examples: tf.data.Dataset) -> tf.data.Dataset:
        if not self.augmented:
            return examples
        masked = self.masked
        change: Any = find_with_masks(self.augment) if masked else augmentations.find(self.augment, self.changes)
        views = None if self.taught is None else len(self.taught)
        return augmented(examples, change, self.seed, self.kind, views, masks=masked)

    def _batches(
        self,
        examples: tf.data.Dataset,
        split: str,
        mix: augmentations.Mixing | None = None,
        substitutes: Substitutes | None = None,
        *,
        trim: bool = True,
    ) -> tf.data.Dataset:
        shares = self.num_classes if self.mixes or self.shares else None
        answers = self.taught if split == "train" else None
        batches = batched(examples, self.kind, self.batch_size, self.seed, mix, shares, substitutes, answers, trim=trim)
        found = ready(batches, len(self.splits[split]), self.batch_size)
        found.class_names = list(self.class_names)  # as Keras' own data sets have them; `evaluate` reads both
        found.pixel_range = getattr(self, "pixel_range", None)
        return found
