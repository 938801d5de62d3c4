"""SoundData: sounds with labels, in the one form that training, evaluation and export take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_transfer._arguments import Number, Whole, checked_values
from keras_transfer._registry import Registry
from keras_transfer.data.augment import named as augmentations
from keras_transfer.data.augment.sounds import SOUND_AUGMENTATIONS
from keras_transfer.data.classes import check_classes
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut
from keras_transfer.data.kinds import Sounds
from keras_transfer.data.pipeline_data import PipelineData
from keras_transfer.data.unreadable import Replaced
from keras_transfer.plots.sounds import plot_sounds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOUND_FORM = {"seconds": Number(0, above=True), "sample_rate": Whole(1), "batch_size": Whole(1)}


@dataclass(frozen=True, repr=False, eq=False)
class SoundData(PipelineData):
    """Sounds with labels, as `tf.data` pipelines for training, validation and test.

    `train` yields waveforms float32 `(batch, samples)` in [-1, 1] and labels int64 `(batch,)`, shuffled over the whole
    set in every epoch and augmented; `validation` and `test` yield theirs in order and unchanged, and are None where
    there are none. All else is as in `ImageData`.

    Attributes:
        splits: examples by split, of "train", "validation" and "test".
        class_names: name of each class; a label is an index into them.
        sample_rate: samples a second.
        seconds: length of each sound.
        augment: what changes training sounds: a name in `kt.available("sound augmentation")`, a function of a waveform,
            or a list of these.
        batch_size: sounds in a batch.
        seed: of order and augmentation.
        left_out: files that were found but are not used.
        root: folder of the files; None for sounds from elsewhere.
        shares: labels are float32 `(batch, num_classes)`, a share of each class; see `one_hot`.
        sampling, taught: how training sounds are drawn, and what stands in place of labels; see `LabelledData`.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    sample_rate: int = 16_000
    seconds: float = 1.0
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
        checked_values(SOUND_FORM, {name: getattr(self, name) for name in SOUND_FORM})
        augmentations.find(self.augment, self.changes)
        if self.task.needs_classes:
            check_classes(self.class_names)
        self._check_wishes()

    @property
    def changes(self) -> Registry[augmentations.Augmentation]:
        """The augmentations by name that its examples may have."""
        return SOUND_AUGMENTATIONS

    @property
    def kind(self) -> Sounds:
        """What a network takes, and how it is made of the bytes of a file."""
        return Sounds(self.sample_rate, self.seconds)

    def show(self, count: int = 9, *, augmented: bool = False) -> Figure:
        """Draws a labelled sample of the training sounds as spectrograms, as read or as augmented.

        Raises:
            InputError: if `count` is not a whole number above 0.
        """
        sounds, labels = self._sample(count, augmented)
        return plot_sounds(sounds, labels, self.sample_rate)

    def __repr__(self) -> str:
        sampling = ", classes drawn equally often" if self.sampling == "balanced" else ""
        about = f"{self.num_classes} classes, {self.seconds:g} seconds at {self.sample_rate:,} samples a second"
        return "\n".join([f"SoundData: {about}{sampling}", *self._counted("sounds")])
