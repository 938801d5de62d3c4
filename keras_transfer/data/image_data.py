"""ImageData: the one form in which all sources hand over their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_transfer._checks import InputError
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.augment.masks import find_with_masks
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.form import check_form, check_taught
from keras_transfer.data.kinds import Images
from keras_transfer.data.pipeline_data import PipelineData
from keras_transfer.data.unreadable import Replaced
from keras_transfer.plots.images import plot_images
from keras_transfer.plots.masks import plot_masks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False, eq=False)
class ImageData(PipelineData):
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
        mask_values: what the values of masks stand for: "values" by class, and those to "ignore"; None for no files.
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
    mask_values: Mapping[str, Any] | None = None
    # each copy by `dataclasses.replace` has its own
    _epoch: tf.Variable = field(init=False, default_factory=lambda: tf.Variable(0, dtype=tf.int64, trainable=False))
    _replaced: Replaced = field(init=False, default_factory=Replaced)

    def __post_init__(self) -> None:
        check_form(self.image_size, self.resize, self.augment, self.batch_size, self.sampling)
        if self.task.needs_classes:
            check_classes(self.class_names)
        self._check_wishes()
        if self.masked:
            self._check_masks()
        elif self.augmented and self.channels != 3:
            augmentations.check_channels(self.augment, (*self.image_size, self.channels))
        if self.taught is not None:
            check_taught(self.taught, len(self.splits["train"]), mixes=self.mixes)

    def _check_masks(self) -> None:
        """Checks that masks have the size of images, and move with them.

        Raises:
            InputError: if they do not.
        """
        size = self.splits["train"].labels.shape[1:3]
        if size != tuple(self.image_size):
            raise InputError(
                f"Expected images of the size of their masks, {size}. Received: image_size={self.image_size}. Read the "
                "data again at another size."
            )
        if self.augmented:
            find_with_masks(self.augment)

    @property
    def _mixing(self) -> augmentations.Mixing | None:
        """What is done to a training batch after all else; None for nothing."""
        return augmentations.find_mixing(self.augment)

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

        Where each pixel has a class, its colour lies over the picture.

        Raises:
            InputError: if `count` is not a whole number above 0.
        """
        if self.masked:
            images, masks = self._drawn_sample(count, augmented)
            return plot_masks(list(images), list(masks), self.class_names)
        pictures, labels = self._sample(count, augmented)
        return plot_images(pictures, labels)

    def __repr__(self) -> str:
        height, width = self.image_size
        channels = "" if self.channels == 3 else f", {self.channels} channels"
        sampling = ", classes drawn equally often" if self.sampling == "balanced" else ""
        about = f"{self.num_classes} classes, {height}x{width}{channels}, resize={self.resize!r}{sampling}"
        return "\n".join([f"ImageData: {about}", *self._counted("images")])
