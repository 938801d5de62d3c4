"""Formats: what each kind of file is, how it is written and asked, and how near to the SavedModel it must be."""

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
    """How far the numbers of a file may be from those of the SavedModel.

    Probabilities are compared as they are, each value of a regression in shares of its largest.

    Attributes:
        largest: largest difference of any number. What the SavedModel's own graph loses by rounding may raise it, see
            `compare_runtimes`.
        mean: mean difference: half of what a picture's probabilities differ by together; for several labels and for
            regression that of the worst label or value.
        agreement: least share of pictures with the same class, or F1 of the labels present; one picture may always
            differ, since few pictures are no measure.
    """

    largest: float
    mean: float = math.inf
    agreement: float = 0.0


@dataclass(frozen=True)
class Format:
    """A kind of file for another runtime.

    Attributes:
        name: as in `FORMATS`.
        file: name of the file to load.
        packages: what is imported to write and ask it.
        extra: the extra of this package that installs them; "" if there is none.
        tolerance: how near to the SavedModel its answers must be.
        write: writes it, and what belongs to it, into the folder of the path it is given: from the frozen graph, and
            for a calibrated format from images float32 `(count, height, width, 3)` in [0, 255].
        open: loads the file; returns a function from images float32 `(batch, height, width, 3)` in [0, 255] to numbers
            float32 `(batch, num_classes)`.
        calibrated: needs pictures to choose its numbers by.
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
        """Raises InputError unless what the format needs can be imported."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            mend = f'pip install "keras-transfer[{self.extra}]"' if self.extra else f"pip install {' '.join(missing)}"
            raise InputError(f"Expected {', '.join(missing)} to be installed for {self.name!r}. Install: {mend}.")


FORMATS: Registry[Format] = Registry("format", lambda part: isinstance(part, Format), "a Format")


def register(part: Format) -> Format:
    """Adds a format under its name, which enrols it in the contract tests."""
    return FORMATS.register(part.name)(part)
