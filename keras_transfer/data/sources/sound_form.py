"""What all sources of sounds have in common."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keras_transfer._arguments import Number, Whole, takes
from keras_transfer._checks import DataWarning
from keras_transfer.data.augment.named import Augment
from keras_transfer.data.examples import Examples
from keras_transfer.data.faults import LeftOut, below
from keras_transfer.data.hearing import Heard
from keras_transfer.data.sound_data import SOUND_FORM, SoundData
from keras_transfer.data.sources.assembling import check_presence
from keras_transfer.data.splitting.splits import SHARE, hold_out

_LONGEST, _FASTEST = 10.0, 16_000  # seconds, samples a second that are taken where nobody says how many
_WHOLE = 0.95  # share of the files that are not cut
SILENT, CLIPPED = 1e-4, 0.01  # level below, share of samples above which a sound is named
_SHOWN = 5


@takes(
    seconds=Number(0, above=True) | None,
    sample_rate=Whole(1) | None,
    batch_size=SOUND_FORM["batch_size"],
    validation_split=SHARE,
    seed=Whole(0),
)
@dataclass(frozen=True)
class SoundForm:
    """The arguments that all sources of sounds share.

    Attributes:
        seconds: length of each example; None for one that 95 % of the files fit into, but at most 10.
        sample_rate: samples a second; None for those that most files have, but at most 16,000.
        augment: augmentation of training sounds.
        batch_size: number of sounds in a batch.
        validation_split: share that is held out for validation if there is no such split, in (0, 1).
        seed: seed of the split, the order and the augmentation.
    """

    seconds: float | None
    sample_rate: int | None
    augment: Augment
    batch_size: int
    validation_split: float
    seed: int

    def length(self, heard: Collection[Heard]) -> float:
        """Returns the length of the examples in seconds."""
        if self.seconds is not None or not heard:
            return self.seconds or 1.0
        # a few long files would make most of each example silence
        usual = np.quantile([each.seconds for each in heard], _WHOLE, method="inverted_cdf")
        return min(float(usual), _LONGEST)

    def data(
        self,
        splits: Mapping[str, Examples],
        class_names: Sequence[str],
        heard: Mapping[Path, Heard],
        left_out: Sequence[LeftOut],
        root: Path | None,
    ) -> SoundData:
        """Returns the data. If there is no "validation" split, a share of "train" is held out for it.

        Args:
            splits: the examples of each split by its name.
            class_names: name of each class.
            heard: what the files hold. Silent and overdriven ones are named in a warning.
            left_out: the files that are not used, each with its reason.
            root: folder of the files.

        Raises:
            DataError: if a class or the groups cannot be split, or the training sounds lack a class.
        """
        _note_odd(heard, root)
        rates = Counter(each.rate for each in heard.values())
        rate = self.sample_rate or min(max(rates, key=rates.__getitem__, default=_FASTEST), _FASTEST)
        held = hold_out(splits, self.validation_split, self.seed, class_names)
        data = SoundData(
            held,
            tuple(class_names),
            rate,
            self.length(heard.values()),
            self.augment,
            self.batch_size,
            self.seed,
            left_out=tuple(left_out),
            root=root,
        )
        check_presence(held, class_names, "sounds")
        return data


def _note_odd(heard: Mapping[Path, Heard], root: Path | None) -> None:
    """Warns of sounds from which little can be learnt."""
    odd = {
        "are silent": [path for path, each in heard.items() if each.level < SILENT],
        "are overdriven, with more than 1 % of their samples cut off": [
            path for path, each in heard.items() if each.clipped > CLIPPED
        ],
    }
    for what, paths in odd.items():
        if paths:
            named = ", ".join(below(path, root) for path in paths[:_SHOWN])
            more = ", ..." if len(paths) > _SHOWN else ""
            warnings.warn(f"{len(paths)} of {len(heard)} sounds {what}: {named}{more}.", DataWarning, stacklevel=5)
