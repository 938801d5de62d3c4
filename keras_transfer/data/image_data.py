"""ImageData: the one form in which all sources hand over their images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_transfer import augment as augmentations
from keras_transfer._checks import InputError
from keras_transfer.data.files import LeftOut
from keras_transfer.data.form import check_classes, check_form
from keras_transfer.data.images import RESIZES, load_image
from keras_transfer.data.order import shuffled
from keras_transfer.data.pipelines import mapped, ready
from keras_transfer.plots import plot_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Examples:
    """What one split holds, before anything is decoded.

    Attributes:
        items: `(count,)` paths of files or their bytes, or images `(count, height, width, 3)` in [0, 255].
        labels: `(count,)` integers; `(count, num_classes)` of 0 and 1 for several labels an image; or float32
            `(count, targets)` for regression.
        encoded: the items are bytes of files, not their paths.
    """

    items: np.ndarray
    labels: np.ndarray
    encoded: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> Examples:
        """Returns the examples at these indices."""
        return replace(self, items=self.items[indices], labels=self.labels[indices])


@dataclass(frozen=True, repr=False, eq=False)
class ImageData:
    """Images with labels, as `tf.data` pipelines for training, validation and test.

    `train` yields images float32 `(batch, height, width, 3)` in [0, 255] and labels int64 `(batch,)`, shuffled over
    the whole set in every epoch and augmented; `validation` and `test` yield theirs in order and unchanged, and are
    None where there are none. The order and the augmentation of an epoch depend on `seed` and the epoch's number
    alone.

    Attributes:
        splits: examples by split, of "train", "validation" and "test".
        class_names: name of each class; a label is an index into them.
        image_size: (height, width) in pixels.
        resize: "crop", "pad" or "stretch".
        augment: name of an augmentation or a function of one image float32 `(height, width, 3)`.
        batch_size: images in a batch.
        seed: of order and augmentation.
        left_out: files that were found but are not used.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    resize: str = "crop"
    augment: str | Callable[[tf.Tensor], tf.Tensor] = "none"
    batch_size: int = 32
    seed: int = 0
    left_out: tuple[LeftOut, ...] = ()
    _epoch: tf.Variable = field(default_factory=lambda: tf.Variable(0, dtype=tf.int64, trainable=False))

    def __post_init__(self) -> None:
        check_form(self.image_size, self.resize, self.augment, self.batch_size)
        if self.splits["train"].labels.dtype.kind != "f":
            check_classes(self.class_names)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @cached_property
    def train(self) -> tf.data.Dataset:
        """Training batches: another order and other augmentation in each epoch."""
        return self._batches(self.order(), self._augmented("train"), len(self.splits["train"]))

    @cached_property
    def validation(self) -> tf.data.Dataset | None:
        """Validation batches in a fixed order, without augmentation."""
        return self.in_order("validation") if "validation" in self.splits else None

    @cached_property
    def test(self) -> tf.data.Dataset | None:
        """Test batches in a fixed order, without augmentation."""
        return self.in_order("test") if "test" in self.splits else None

    def order(self) -> tf.data.Dataset:
        """Yields `(index, epoch)` of the training examples in the order of the next epoch, and so on."""
        return shuffled(len(self.splits["train"]), self.seed, self._epoch)

    def in_order(self, split: str, *, epoch: int | None = None) -> tf.data.Dataset:
        """Yields batches of a split in the order of its examples, unchanged or as augmented in an epoch."""
        size = len(self.splits[split])
        if epoch is None:
            return self._batches(tf.data.Dataset.range(size), self._reader(self.splits[split]), size)
        indices = tf.data.Dataset.range(size).map(lambda index: (index, tf.constant(epoch, tf.int64)))
        return self._batches(indices, self._augmented(split), size)

    def start_epoch(self, epoch: int) -> None:
        """Makes the next pass over `train` that of an epoch, counted from 0; passes after it go on from there."""
        self._epoch.assign(epoch)

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next pass over `train` will be, counted from 0."""
        return int(self._epoch.numpy())

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Number of images by split and class; of all together for regression."""
        if self.splits["train"].labels.dtype.kind == "f":
            return {split: {"all": len(examples)} for split, examples in self.splits.items()}
        counted = {}
        for split, examples in self.splits.items():
            totals = examples.labels.sum(axis=0) if examples.labels.ndim == 2 else np.bincount(examples.labels)
            totals = np.pad(totals, (0, self.num_classes - len(totals)))
            counted[split] = {name: int(total) for name, total in zip(self.class_names, totals, strict=True)}
        return counted

    @property
    def class_weights(self) -> dict[int, float]:
        """Weight of each class that makes all weigh the same in training (scikit-learn's "balanced").

        Raises:
            InputError: for several labels an image, which have no common weight.
        """
        from sklearn.utils.class_weight import compute_class_weight

        labels = self.splits["train"].labels
        if labels.ndim == 2:
            raise InputError("Expected one class an image. Received: several labels an image.")
        present = np.unique(labels)
        weights = compute_class_weight("balanced", classes=present, y=labels)
        return {int(label): float(weight) for label, weight in zip(present, weights, strict=True)}

    def show(self, count: int = 9, *, augmented: bool = False) -> Figure:
        """Draws a labelled sample of the training images, as read or as augmented."""
        examples = self.splits["train"]
        chosen = np.random.default_rng(self.seed).permutation(len(examples))[:count]
        read, change = self._reader(examples), augmentations.find(self.augment if augmented else "none")
        images, names = [], []
        for index in chosen:
            image, label = read(tf.constant(index))
            images.append(change(image, tf.constant([self.seed, int(index)])).numpy())
            if examples.labels.dtype.kind == "f":
                names.append(", ".join(f"{value:.3g}" for value in label.numpy()))
                continue
            labels = np.flatnonzero(label) if examples.labels.ndim == 2 else [int(label)]
            names.append(", ".join(self.class_names[index] for index in labels))
        return plot_images(images, names)

    def __repr__(self) -> str:
        height, width = self.image_size
        lines = [f"ImageData: {self.num_classes} classes, {height}x{width}, resize={self.resize!r}"]
        for split, by_class in self.counts.items():
            named = ", ".join(f"{name} {count}" for name, count in list(by_class.items())[:8])
            more = ", ..." if len(by_class) > 8 else ""
            lines.append(f"  {split:<11}{sum(by_class.values()):>6} images: {named}{more}")
        if self.left_out:
            lines.append(f"  left out   {len(self.left_out):>6} files")
        return "\n".join(lines)

    def _reader(self, examples: Examples) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Returns the function from an index to an image and its label."""
        items, labels = tf.constant(examples.items), tf.constant(examples.labels)  # captured, not copied into graphs
        shrink = RESIZES.find(self.resize)

        def read(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            item = tf.gather(items, index)
            if items.dtype == tf.string:
                content = item if examples.encoded else tf.io.read_file(item)
                image = load_image(content, self.image_size, self.resize)
            else:
                image = tf.ensure_shape(shrink(item, self.image_size), (*self.image_size, 3))
            return image, tf.gather(labels, index)

        return read

    def _augmented(self, split: str) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Returns the function from an index and an epoch to an image, augmented as in that epoch, and its label."""
        change, read = augmentations.find(self.augment), self._reader(self.splits[split])

        def load(index: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            image, label = read(index)
            seed = tf.stack([self.seed + epoch * 2**32, index])
            changed = tf.ensure_shape(tf.cast(change(image, seed), tf.float32), (*self.image_size, 3))
            return changed, label

        return load

    def _batches(self, order: tf.data.Dataset, load: Callable[..., Any], size: int) -> tf.data.Dataset:
        return ready(mapped(order, load).batch(self.batch_size), size, self.batch_size)
