"""Engine: how a model is compiled for a runtime, to run in inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from typing import Any

import keras
import numpy as np

from keras_transfer._registry import Registry

Run = Callable[[np.ndarray], Sequence[np.ndarray]]  # images of any number, or tokens, to the float32 outputs


@dataclass(frozen=True)
class Engine:
    """A runtime.

    Attributes:
        packages: that it needs, the first of which tells its version.
        extra: of this package that installs them.
        compile: from a functional model with one input, or a concrete function that gives a list, to the function that
            runs it in float32.
        compiling: about how many seconds that takes for a usual network.
    """

    packages: tuple[str, ...]
    extra: str
    compile: Callable[[keras.Model | Any], Run]
    compiling: float = 0.0

    @property
    def installed(self) -> bool:
        """Whether the packages are there."""
        return all(util.find_spec(package) is not None for package in self.packages)

    @property
    def version(self) -> str:
        """Version of the runtime."""
        return metadata.version(self.packages[0])


ENGINES: Registry[Engine] = Registry("engine")
