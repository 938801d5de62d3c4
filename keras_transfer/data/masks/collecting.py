"""Collecting the masks of a data set: read once, brought to the size of training, with what values occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_transfer.data.faults import LeftOut, why_unreadable
from keras_transfer.data.formats.format import FormatError
from keras_transfer.data.masks.fitting import fitted
from keras_transfer.data.masks.pairing import Drawn, Pair
from keras_transfer.data.masks.reading import packed, read_mask, upright_size

BACKGROUND = "background"  # name of what no mask of a class holds
_BLURS = (".jpg", ".jpeg", ".webp")
NOWHERE = -1  # value of a resized mask where it shows nothing of its picture
_FEW = 2000  # masks from which on a bar shows how far the reading is
_GREY = 0x010101  # what a grey value is times, as a colour


def with_background(names: Iterable[str]) -> tuple[str, ...]:
    """Returns names of classes after that of the background, each once."""
    return tuple(dict.fromkeys((BACKGROUND, *names)))


def blurred_in(pairs: Iterable[Pair]) -> list[Path]:
    """Returns the masks that are files of formats which mix values."""
    files = [source for pair in pairs for source in pair.masks.values() if isinstance(source, Path)]
    return [path for path in files if path.suffix.lower() in _BLURS]


@dataclass(frozen=True)
class Mask:
    """The mask of one picture.

    Attributes:
        values: at the size of training, int16 or int32 `(height, width)`, -1 outside of the picture, colours packed.
        present: number of pixels of each value in the whole mask.
        coloured: whether values are colours.
    """

    values: np.ndarray
    present: Counter[int]
    coloured: bool

    def as_colours(self) -> Mask:
        """Returns the same mask with colours in place of grey values."""
        if self.coloured:
            return self
        values = np.where(self.values == NOWHERE, NOWHERE, self.values.astype(np.int32) * _GREY)
        return Mask(values, Counter({value * _GREY: count for value, count in self.present.items()}), True)


@dataclass(frozen=True)
class Collector:
    """Reads the masks of pictures.

    Attributes:
        image_size: (height, width) in pixels that they are brought to.
        resize: how.
        classes: names of classes that have masks of their own; the value is then the place of the name, from 1 on.
        coloured: masks of palettes are read as colours.
    """

    image_size: tuple[int, int]
    resize: str
    classes: Sequence[str] = ()
    coloured: bool = False

    def collect(self, pairs: Sequence[Pair]) -> tuple[dict[Path, Mask], list[LeftOut]]:
        """Returns the masks by their pictures, and the pictures whose masks cannot be used, with the reasons."""
        progress = keras.utils.Progbar(len(pairs), verbose=int(len(pairs) >= _FEW), unit_name="mask")
        found, left_out = {}, []
        with ThreadPoolExecutor() as pool:
            for done, (pair, mask) in enumerate(zip(pairs, pool.map(self._read, pairs), strict=True), start=1):
                if isinstance(mask, str):
                    left_out.append(LeftOut(pair.image, mask))
                else:
                    found[pair.image] = mask
                progress.update(done)
        return found, left_out

    def _values(self, source: Path | Drawn) -> np.ndarray | str:
        """Returns the values of a mask, or why there are none."""
        if not isinstance(source, Path):
            try:
                return source.read()
            except FormatError as error:
                return str(error)
        reason = why_unreadable(source)
        if reason is None:
            try:
                return read_mask(source, coloured=self.coloured)
            except (OSError, FormatError) as error:
                reason = str(error)
        return f"has a mask, {source.name!r}, that {reason}"

    def _read(self, pair: Pair) -> Mask | str:
        """Returns the mask of a picture, or why there is none."""
        try:
            size = upright_size(pair.image)
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        except FormatError as error:
            return str(error)
        whole: np.ndarray | None = None
        names = with_background(self.classes)
        coloured = False
        for name in (*self.classes, ""):
            if name not in pair.masks:
                continue
            source = pair.masks[name]
            values = self._values(source)
            if isinstance(values, str):
                return values
            if values.shape[:2] != size:
                (height, width), (own_height, own_width) = values.shape[:2], size
                return f"has {own_width} x {own_height} pixels, and its mask {width} x {height}"
            coloured = values.ndim == 3
            values = packed(values) if coloured else values
            if name:  # one mask a class
                whole = np.zeros(size, np.int32) if whole is None else whole
                whole[values != 0] = names.index(name)
                coloured = False
            else:
                whole = values
        if whole is None:
            return "has no mask"
        numbers, counts = np.unique(whole, return_counts=True)
        small = numbers[-1] <= np.iinfo(np.int16).max and numbers[0] >= 0
        resized = fitted(whole.astype(np.int16) if small else whole, self.image_size, self.resize, NOWHERE)
        return Mask(resized, Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True))), coloured)
