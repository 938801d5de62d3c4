"""Assembly: makes ImageData of the examples of any source."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_transfer._arguments import Whole, takes
from keras_transfer._checks import DataError, DataWarning
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.form import FORM, PIXEL_RANGE, check_form, pair
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.sources.bit_depth import used_range
from keras_transfer.data.splitting.splits import SHARE, hold_out


@takes(**FORM, validation_split=SHARE, seed=Whole(0), pixel_range=PIXEL_RANGE | None)
@dataclass(frozen=True)
class Assembly:
    """The arguments that all sources share, checked before any file is read.

    Attributes:
        image_size: height and width in pixels, or one number for both.
        resize: how images are resized: "crop", "pad" or "stretch".
        augment: augmentation of training images; see `kt.augment`.
        batch_size: number of images in a batch.
        validation_split: share of each class that is held out for validation if there is no such split, in (0, 1).
        seed: seed of the split, the order and the augmentation.
        pixel_range: the values that become black and white where a file has more than 8 bits a channel; None for those
            of the fewest bits that hold the values of all training images.

    Raises:
        InputError: if an argument is unknown or out of range.
    """

    image_size: int | tuple[int, int]
    resize: str
    augment: Augment
    batch_size: int
    validation_split: float
    seed: int
    pixel_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        check_form(pair(self.image_size), self.resize, self.augment, self.batch_size)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return pair(self.image_size)

    @property
    def side(self) -> int:
        """The longer side of the image size, in pixels."""
        return max(self.size)

    def data(
        self,
        splits: Mapping[str, Examples],
        class_names: Sequence[str],
        left_out: Sequence[LeftOut] = (),
        root: Path | None = None,
    ) -> ImageData:
        """Returns the data. If there is no "validation" split, a share of "train" is held out for it.

        Args:
            splits: the examples of each split by its name.
            class_names: name of each class.
            left_out: the files that are not used, each with its reason.
            root: folder of the images.

        Raises:
            DataError: if a class or the groups cannot be split, or the training images lack a class.
        """
        held = hold_out(splits, self.validation_split, self.seed, class_names)
        data = ImageData(
            splits=held,
            class_names=tuple(class_names),
            image_size=pair(self.image_size),
            resize=self.resize,
            augment=self.augment,
            batch_size=self.batch_size,
            seed=self.seed,
            left_out=tuple(left_out),
            root=root,
            pixel_range=self.pixel_range or used_range(held["train"], self.side),
        )
        check_presence(held, class_names)
        return data


def check_presence(splits: Mapping[str, Examples], class_names: Sequence[str], noun: str = "images") -> None:
    """Refuses a class that cannot be learnt, and warns of one that is not judged."""
    for split, examples in splits.items():
        task = examples.task
        counts = task.counts(examples.labels, class_names)
        missing = [name for name in class_names if not counts[name]] if task.needs_classes else []
        if missing and split == "train" and task.strata(examples.labels) is not None:
            raise DataError(f"Expected {noun} of each class to train on. Received none of {missing}.")
        if missing:
            warnings.warn(f"The {split} split has no {noun.removesuffix('s')} of {missing}.", DataWarning, stacklevel=4)
