"""ImageData: the one form in which all sources hand over their images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Whole
from keras_transfer._checks import DataError, InputError
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import NOT_THE_IMAGE, LeftOut, below
from keras_transfer.data.files import check_files
from keras_transfer.data.form import check_form, check_taught
from keras_transfer.data.kinds import Images
from keras_transfer.data.labelled_data import LabelledData
from keras_transfer.data.pipelines.options import ready
from keras_transfer.data.pipelines.order import Order, drawn, in_turn
from keras_transfer.data.pipelines.reading import augmented, batched, images_of
from keras_transfer.data.pipelines.substitutes import Substitutes
from keras_transfer.data.unreadable import Replaced, Unreadable
from keras_transfer.plots.images import plot_images
from keras_transfer.tasks import TASKS, Classification

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class ImageData(LabelledData):
    """Images with labels, as `tf.data` pipelines for training, validation and test.

    `train` yields images float32 `(batch, height, width, channels)` in [0, 255] and labels int64 `(batch,)`, shuffled
    over the whole set in every epoch and augmented; `validation` and `test` yield theirs in order and unchanged, and
    are None where there are none. The order and the augmentation of an epoch depend on `seed` and the epoch's number
    alone. Where the augmentation mixes images, labels are float32 `(batch, num_classes)` that sum to 1, in all splits.
    Where a file cannot be read or decoded any more while training goes on, another image takes its place: `fine_tune`
    and `adapt` say so at their end, and `replaced` tells it after other loops. Any other error ends the pass.
    Decoded images are kept in memory from the first pass on, if those of a split fit in a quarter of what is free.

    Attributes:
        splits: examples by split, of "train", "validation" and "test".
        class_names: name of each class; a label is an index into them.
        image_size: (height, width) in pixels.
        resize: "crop", "pad" or "stretch".
        augment: what changes training images; see `kt.augment`.
        batch_size: images in a batch.
        seed: of order and augmentation.
        left_out: files that were found but are not used.
        root: folder of the files; None for images from elsewhere.
        shares: labels are float32 `(batch, num_classes)`, a share of each class; see `one_hot`.
        sampling, taught: how training images are drawn, and what stands in place of labels; see `LabelledData`.
        pixel_range: the values that become black and white in files of more than 8 bits a channel, unless they say so.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    resize: str = "crop"
    augment: augmentations.Augment = "none"
    batch_size: int = 32
    seed: int = 0
    left_out: tuple[LeftOut, ...] = ()
    root: Path | None = None
    shares: bool = False
    sampling: str = "once"
    pixel_range: tuple[float, float] | None = None
    taught: np.ndarray | None = None
    # each copy by `dataclasses.replace` has its own
    _epoch: tf.Variable = field(init=False, default_factory=lambda: tf.Variable(0, dtype=tf.int64, trainable=False))
    _replaced: Replaced = field(init=False, default_factory=Replaced)

    def __post_init__(self) -> None:
        check_form(self.image_size, self.resize, self.augment, self.batch_size, self.sampling)
        if self.task.needs_classes:
            check_classes(self.class_names)
        if self.augmented and self.channels != 3:
            augmentations.check_channels(self.augment, (*self.image_size, self.channels))
        balanced = self.sampling == "balanced"
        wishes = {"mix images": self.mixes, "write it one-hot": self.shares, "draw classes equally often": balanced}
        wanted = next((wish for wish, given in wishes.items() if given), None)
        if wanted and self.task is not TASKS.find(Classification.name):
            raise InputError(f"Expected one class an image, to {wanted}. Received: several labels or targets.")
        if self.taught is not None:
            check_taught(self.taught, len(self.splits["train"]), mixes=self.mixes)

    @property
    def mixes(self) -> bool:
        """Whether the augmentation mixes images, so that labels are shares of the classes."""
        return augmentations.find_mixing(self.augment) is not None

    @property
    def augmented(self) -> bool:
        """Whether training images are another in every epoch."""
        return self.augment not in ("none", ["none"], ("none",), [], ())

    @cached_property
    def train(self) -> tf.data.Dataset:
        """Training batches: another order and other augmentation in each epoch."""
        order = self._drawn()
        substitutes = self._substitutes(order, "train")
        images = self._images(order, "train", substitutes, keep=True)
        mix = augmentations.find_mixing(self.augment)
        return self._batches(self._augmented(images), "train", mix, substitutes)

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
        images = self._images(in_turn(len(self.splits[split]), epoch or 0), split)
        return self._batches(images if epoch is None else self._augmented(images), split)

    @contextmanager
    def naming_bad_files(self, split: str) -> Iterator[None]:
        """Raises DataError with the names of files that are no longer usable, where reading a split fails."""
        try:
            yield
        except NOT_THE_IMAGE:
            raise
        except tf.errors.OpError as error:
            examples = self.splits[split]
            paths = [Path(item) for item in examples.items] if examples.in_files else []
            bad = check_files(paths, max(self.image_size))
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

        Each has a path, the reason, and the number of times that another image took its place.
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
    def kind(self) -> Images:
        """What a network takes, and how it is made of the bytes of a file."""
        return Images(self.image_size, self.resize, self.pixel_range, self.channels)

    @property
    def channels(self) -> int:
        """Number of channels: that of images in arrays, and 3 for files."""
        items = self.splits["train"].items
        return items.shape[-1] if items.dtype.kind in "iuf" else 3

    def show(self, count: int = 9, *, augmented: bool = False) -> Figure:
        """Draws a labelled sample of the training images, as read or as augmented (without mixing).

        Raises:
            InputError: if `count` is not a whole number above 0.
        """
        count = Whole(1)("count", count)
        chosen = tf.constant(np.random.default_rng(self.seed).permutation(len(self.splits["train"]))[:count])
        order = Order(len(chosen), lambda places, epoch: tf.gather(chosen, places), lambda: tf.constant(0, tf.int64))
        substitutes = self._substitutes(order, "train")
        images = self._images(order, "train", substitutes)
        images = (self._augmented(images) if augmented else images).batch(len(chosen))
        (batch,) = images if substitutes is None else substitutes.watch(images)
        pictures, labels, *_ = (part.numpy() for part in batch)
        return plot_images(list(pictures), [self._named(label) for label in labels])

    def __repr__(self) -> str:
        height, width = self.image_size
        channels = "" if self.channels == 3 else f", {self.channels} channels"
        sampling = ", classes drawn equally often" if self.sampling == "balanced" else ""
        lines = [f"ImageData: {self.num_classes} classes, {height}x{width}{channels}, resize={self.resize!r}{sampling}"]
        for split, by_class in self.counts.items():
            named = ", ".join(f"{name} {count}" for name, count in list(by_class.items())[:8])
            more = ", ..." if len(by_class) > 8 else ""
            lines.append(f"  {split:<11}{sum(by_class.values()):>6} images: {named}{more}")
        if self.left_out:
            lines.append(f"  left out   {len(self.left_out):>6} files")
        return "\n".join(lines)

    def _named(self, label: np.ndarray) -> str:
        """Writes a label in words."""
        return ", ".join(self.task.in_words(label, self.class_names))

    def _unchanged(self, split: str) -> tf.data.Dataset | None:
        if split not in self.splits:
            return None
        order = in_turn(len(self.splits[split]))
        substitutes = self._substitutes(order, split)
        return self._batches(self._images(order, split, substitutes, keep=True), split, substitutes=substitutes)

    def _drawn(self) -> Order:
        return drawn(self.sampling, self.splits["train"].labels, self.seed, self._epoch)

    def _substitutes(self, order: Order, split: str) -> Substitutes | None:
        examples = self.splits[split]
        return self._replaced.substitutes(order, examples, self.kind) if examples.in_files else None

    def _images(
        self, order: Order, split: str, substitutes: Substitutes | None = None, *, keep: bool = False
    ) -> tf.data.Dataset:
        return images_of(order, self.splits[split], self.kind, substitutes=substitutes, keep=keep)

    def _augmented(self, images: tf.data.Dataset) -> tf.data.Dataset:
        views, change = None if self.taught is None else len(self.taught), augmentations.find(self.augment)
        return augmented(images, change, self.seed, views) if self.augmented else images

    def _batches(
        self,
        images: tf.data.Dataset,
        split: str,
        mix: augmentations.Mixing | None = None,
        substitutes: Substitutes | None = None,
    ) -> tf.data.Dataset:
        shares = self.num_classes if self.mixes or self.shares else None
        answers = self.taught if split == "train" else None
        batches = batched(images, self.batch_size, self.seed, mix, shares, substitutes, answers)
        found = ready(batches, len(self.splits[split]), self.batch_size)
        found.class_names = list(self.class_names)  # as Keras' own data sets have them; `evaluate` reads both
        found.pixel_range = self.pixel_range
        return found
