"""LabelledData: what training may know of the data, whatever kind it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
import tensorflow as tf

from keras_transfer._checks import DataError, InputError
from keras_transfer._registry import Registry
from keras_transfer.data.augment import Augment, Augmentation
from keras_transfer.data.augment.named import AUGMENTATIONS
from keras_transfer.data.examples import Examples
from keras_transfer.data.kinds import Kind
from keras_transfer.data.unreadable import Unreadable
from keras_transfer.tasks import Task
from keras_transfer.tasks.labels import renumbered


class LabelledData(ABC):
    """Labelled examples as `tf.data` pipelines: their splits, their order in each epoch, the names of their classes.

    Training, caching and adaptation work on this class alone. What an example is made of is the matter of `kind`.

    Attributes:
        splits: examples by split, of "train", "validation" and "test".
        class_names: name of each class; a label is an index into them.
        batch_size: examples in a batch.
        seed: of order and augmentation.
        augment: what changes training examples.
        root: folder of the files; None for examples from elsewhere.
        shares: labels are float32 `(batch, num_classes)`, a share of each class; see `one_hot`.
        sampling: "once" for each training example once an epoch, or "balanced"; see `balanced`.
        taught: float32 `(views, count, width)`, what training batches hold in place of labels, such as the answers of
            another model: in epoch e those of view `e % views`, with the images as augmented in that epoch. None for
            the labels.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    batch_size: int
    seed: int
    augment: Augment
    root: Path | None
    shares: bool
    sampling: str
    taught: np.ndarray | None

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """What a network takes, and how it is made of a raw example."""

    @property
    def changes(self) -> Registry[Augmentation]:
        """The augmentations by name that its examples may have."""
        return AUGMENTATIONS

    @property
    def task(self) -> Task:
        """The task that the labels are of, such as classification."""
        return self.splits["train"].task

    @property
    def masked(self) -> bool:
        """Whether labels are masks, one class a pixel, which augmentation moves together with the images."""
        return self.task.axes == 2

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of examples by split and class; of all together for regression."""
        return {split: self.task.counts(examples.labels, self.class_names) for split, examples in self.splits.items()}

    @property
    def class_weights(self) -> dict[int, float]:
        """Weight of each class that makes all weigh the same in training (scikit-learn's "balanced").

        Raises:
            InputError: for several labels an image, which have no common weight.
        """
        weights = self.task.balanced_weights(self.splits["train"].labels)
        if weights is None:
            raise InputError(f"Expected one class an image. Received: {self.task.said_of_labels}.")
        return weights

    def batch_labels(self, split: str, views: int = 1) -> np.ndarray:
        """Returns the labels of a split in the form that they have in batches, those of one view after another."""
        if split == "train" and self.taught is not None:
            return np.concatenate([self.taught[view % len(self.taught)] for view in range(views)])
        if split == "train" and self.masked and self.augmented:
            parts = [np.asarray(labels) for view in range(views) for _, labels in self.in_order("train", epoch=view)]
            return np.concatenate(parts)
        labels = self.splits[split].labels
        found = np.eye(self.num_classes, dtype=np.float32)[labels] if self.mixes or self.shares else labels
        return np.concatenate([found] * views) if views > 1 else found

    @property
    def label_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the labels in a training batch, told without making the pipeline."""
        labels = self.splits["train"].labels if self.masked else self.batch_labels("train")
        return tf.TensorSpec((None, *labels.shape[1:]), labels.dtype)

    @property
    def steps(self) -> int:
        """Number of training batches in an epoch."""
        return -(-len(self.splits["train"]) // self.batch_size)

    def one_hot(self) -> Self:
        """Returns the same data with labels float32 `(batch, num_classes)`: 1 for its class, 0 for others.

        Losses and metrics such as `CategoricalCrossentropy`, `AUC` and `F1Score` take labels of this form. `fine_tune`
        does this by itself where its loss and metrics need it.

        Raises:
            InputError: for several labels an image, or targets.
        """
        return replace(self, shares=True)  # type: ignore[type-var]  # its classes are dataclasses

    def balanced(self) -> Self:
        """Returns the same data, whose training batches draw each class equally often: balanced sampling.

        An epoch has as many examples as before. Draws go on from epoch to epoch: all examples of a class are used
        before one is used again, and an example that is drawn several times is augmented in another way each time.
        Order and augmentation depend on `seed` and the epoch's number alone. Train without class weights on it;
        `fine_tune` weighs no classes by itself then. Validation and test stay as they are.

        Raises:
            InputError: for several labels an image, or targets.
        """
        return replace(self, sampling="balanced")  # type: ignore[type-var]

    def with_classes(self, class_names: Sequence[str]) -> Self:
        """Returns the same examples with labels that are numbers of these names.

        Use it to bring data into the order of a model's classes (`model.class_names`), also where the data lacks some.

        Args:
            class_names: all names of this data, in another order or among others.

        Raises:
            DataError: if a name of this data is not among them.
        """
        names = tuple(class_names)
        strangers = [name for name in self.class_names if name not in names]
        if strangers:
            raise DataError(
                f"Expected the classes of the data, {list(self.class_names)}. Received none of {strangers}."
            )
        numbers = [names.index(name) for name in self.class_names]
        splits = {
            split: replace(part, labels=renumbered(part.labels, numbers, len(names)))
            for split, part in self.splits.items()
        }
        return replace(self, splits=splits, class_names=names)  # type: ignore[type-var]

    @property
    @abstractmethod
    def augmented(self) -> bool:
        """Whether training examples change from epoch to epoch."""

    @property
    @abstractmethod
    def mixes(self) -> bool:
        """Whether training mixes examples of a batch, and labels with them."""

    @property
    @abstractmethod
    def train(self) -> tf.data.Dataset:
        """Training batches: another order and other augmentation in each epoch."""

    @property
    @abstractmethod
    def validation(self) -> tf.data.Dataset | None:
        """Validation batches in a fixed order, without augmentation; None without such a split."""

    @abstractmethod
    def order(self) -> tf.data.Dataset:
        """Yields `(index, use)` of the training examples in the order of the next epoch, and so on.

        The use is how often the example was used before, by which it is augmented. Where each is used once an epoch, it
        is the epoch's number.
        """

    @abstractmethod
    def in_order(self, split: str, *, epoch: int | None = None) -> tf.data.Dataset:
        """Yields batches of a split in the order of its examples, unchanged or as augmented in an epoch."""

    @abstractmethod
    def naming_bad_files(self, split: str) -> AbstractContextManager[None]:
        """Raises DataError with the names of files that are no longer usable, where reading a split fails."""

    @abstractmethod
    def changed_files(self) -> list[Path]:
        """Returns the files that were written or deleted since the data was made."""

    @abstractmethod
    def replaced(self) -> list[Unreadable]:
        """Returns the files that could not be read in passes since it was last called, and forgets them."""

    @abstractmethod
    def start_epoch(self, epoch: int) -> None:
        """Makes the next pass over `train` that of an epoch, counted from 0; passes after it go on from there."""

    @property
    @abstractmethod
    def epoch(self) -> int:
        """Number of the epoch that the next pass over `train` will be, counted from 0."""
