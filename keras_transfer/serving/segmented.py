"""SegmentedImage: what a served model says of each pixel of a picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_transfer._checks import InputError
from keras_transfer.data.formats.translating import read_file
from keras_transfer.data.pixels.images import decode
from keras_transfer.data.pixels.own_size import NOTHING
from keras_transfer.plots.masks import plot_masks
from keras_transfer.tasks.several_labels import UNKNOWN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WHOLE = 2**20  # pixels, for a side at which no picture is decoded smaller


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """The class of each pixel of a picture.

    Attributes:
        class_ids: int16 `(height, width)`, of the picture's own size: numbers of classes, and -1 where the model saw
            nothing, such as beyond the part that it keeps of a picture.
        class_names: name of each class.
        png: the same as a grey PNG file, in which 255 stands for -1.
    """

    class_ids: np.ndarray
    class_names: tuple[str, ...]
    png: bytes

    @classmethod
    def of(cls, png: bytes, class_names: Sequence[str]) -> SegmentedImage:
        """Reads the mask that a version answers with."""
        values = np.asarray(Image.open(BytesIO(png))).astype(np.int16)
        return cls(np.where(values == NOTHING, np.int16(UNKNOWN), values), tuple(class_names), png)

    @property
    def shares(self) -> dict[str, float]:
        """Share of the pixels of each class among those that the model saw, in [0, 1], by its name."""
        counts = np.bincount(self.class_ids[self.class_ids != UNKNOWN], minlength=len(self.class_names))
        shares = counts / max(counts.sum(), 1)
        return {name: float(share) for name, share in zip(self.class_names, shares, strict=True)}

    def plot(self, image: np.ndarray | str | os.PathLike[str]) -> Figure:
        """Draws the colours of the classes over a picture.

        Args:
            image: its file, or its pixels `(height, width, 3)` in [0, 255].

        Raises:
            InputError: if the picture has another size.
        """
        pixels = image if isinstance(image, np.ndarray) else _pixels(image)
        if pixels.shape[:2] != self.class_ids.shape:
            raise InputError(f"Expected a picture {self.class_ids.shape}. Received: {pixels.shape[:2]}.")
        return plot_masks([pixels], [self.class_ids], self.class_names)

    def to_dict(self) -> dict[str, Any]:
        """Returns size and shares as plain numbers and names, ready for JSON."""
        height, width = self.class_ids.shape
        return {"height": height, "width": width, "shares": self.shares}

    def __str__(self) -> str:
        height, width = self.class_ids.shape
        found = sorted((pair for pair in self.shares.items() if pair[1]), key=lambda pair: -pair[1])
        return f"{width} x {height}: " + ", ".join(f"{name} {share:.1%}" for name, share in found)


def _pixels(file: str | os.PathLike[str]) -> np.ndarray:
    """Decodes a picture as the version does, without resizing it."""
    return decode(tf.constant(read_file(file)), _WHOLE).numpy()
