"""From the examples of a source to ImageData: what all sources do alike."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_transfer._arguments import Whole, takes
from keras_transfer._checks import DataError, DataWarning
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.files import LeftOut
from keras_transfer.data.form import FORM, check_form, pair
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.splitting.splits import SHARE, hold_out


@takes(**FORM, validation_split=SHARE, seed=Whole(0))
@dataclass(frozen=True)
class Assembly:
    """How a source hands over its images, checked before any file is read.

    Attributes:
        image_size: height and width in pixels, or one number for both.
        resize: "crop", "pad" or "stretch".
        augment: see `kt.augment`.
        batch_size: images in a batch.
        validation_split: share of each class for validation, where there is no such split.
        seed: of the split, the order and the augmentation.

    Raises:
        InputError: if something is unknown or out of range.
    """

    image_size: int | tuple[int, int]
    resize: str
    augment: Augment
    batch_size: int
    validation_split: float
    seed: int

    def __post_init__(self) -> None:
        check_form(pair(self.image_size), self.resize, self.augment, self.batch_size)

    @property
    def side(self) -> int:
        """The longer side of the size wanted, in pixels."""
        return max(pair(self.image_size))

    def data(
        self,
        splits: Mapping[str, Examples],
        class_names: Sequence[str],
        left_out: Sequence[LeftOut] = (),
        root: Path | None = None,
    ) -> ImageData:
        """Returns the data, with a share of "train" held out for "validation" unless there is one.

        Raises:
            InputError: if a class or its groups cannot be split, or training has no image of a class.
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
        )
        _check_presence(held, class_names)
        return data


def _check_presence(splits: Mapping[str, Examples], class_names: Sequence[str]) -> None:
    """Refuses a class that cannot be learnt, and warns of one that is not judged."""
    for split, examples in splits.items():
        task = examples.task
        counts = task.counts(examples.labels, class_names)
        missing = [name for name in class_names if not counts[name]] if task.needs_classes else []
        if missing and split == "train" and task.strata(examples.labels) is not None:
            raise DataError(f"Expected images of each class to train on. Received none of {missing}.")
        if missing:
            warnings.warn(f"The {split} split has no image of {missing}.", DataWarning, stacklevel=4)
