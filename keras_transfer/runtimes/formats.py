"""Formats: how a file for another runtime is written and run, and how much its outputs may differ."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer._registry import Registry
from keras_transfer.runtimes.frozen import Answer, Frozen


@dataclass(frozen=True)
class Tolerance:
    """How much the outputs of a file may differ from those of the SavedModel.

    Differences of probabilities are absolute. Differences of regression values are divided by the largest magnitude of
    that value.

    Attributes:
        largest: the largest accepted difference of any number. It is raised if freezing the SavedModel's graph already
            makes larger differences; see `compare_runtimes`.
        mean: the largest accepted mean difference. For one class per image it is the mean over pictures of half the
            sum of the differences of all classes. For several labels and for regression it is the mean difference of
            the worst label or value.
        agreement: the smallest accepted share of pictures with the same class, in [0, 1]; for several labels the F1 of
            the labels present. One picture may always differ, because with few pictures the share is coarse.
    """

    largest: float
    mean: float = math.inf
    agreement: float = 0.0


@dataclass(frozen=True)
class Format:
    """A kind of file for another runtime.

    Attributes:
        name: name of the format, its key in `FORMATS`.
        file: name of the file to load.
        packages: packages that are imported to write and run it.
        extra: the extra of keras-transfer that installs these packages; "" if there is none.
        tolerance: how much its outputs may differ from those of the SavedModel.
        write: function `(frozen, file, calibration)` that writes the file, and any files that belong to it, to the same
            folder. `calibration` is float32 images `(count, height, width, 3)` in [0, 255] for a calibrated format, and
            None for others.
        open: function `(file, output)` that loads the file. It returns a function from images, float32
            `(batch, height, width, 3)` in [0, 255], to outputs, float32 `(batch, num_classes)`.
        calibrated: whether the format needs pictures for calibration.
    """

    name: str
    file: str
    packages: tuple[str, ...]
    extra: str
    tolerance: Tolerance
    write: Callable[[Frozen, Path, np.ndarray | None], None]
    open: Callable[[Path, str], Answer]
    calibrated: bool = False

    def check_installed(self) -> None:
        """Raises InputError unless all packages of the format are installed."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            mend = f'pip install "keras-transfer[{self.extra}]"' if self.extra else f"pip install {' '.join(missing)}"
            raise InputError(f"Expected {', '.join(missing)} to be installed for {self.name!r}. Install: {mend}.")


FORMATS: Registry[Format] = Registry("format", lambda part: isinstance(part, Format), "a Format")


def register(part: Format) -> Format:
    """Adds a format to `FORMATS` under its name and returns it. The contract tests then run on it."""
    return FORMATS.register(part.name)(part)
