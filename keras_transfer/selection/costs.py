"""What a network costs on this machine: milliseconds an image and megabytes."""

from __future__ import annotations

from statistics import median
from time import perf_counter

import keras
import numpy as np

from keras_transfer.engines import ENGINES
from keras_transfer.engines.choosing import TENSORFLOW

_CALLS, _SECONDS = 30, 0.5  # calls at most, and the seconds after which no further one is made


def milliseconds_of(model: keras.Model, size: tuple[int, int], channels: int) -> float:
    """Returns the median time of one image by TensorFlow, as an export runs it, in milliseconds."""
    run = ENGINES.find(TENSORFLOW).compile(model)
    image = np.random.default_rng(0).uniform(0, 255, (1, *size, channels)).astype(np.float32)
    run(image)
    times: list[float] = []
    while len(times) < 3 or (len(times) < _CALLS and sum(times) < _SECONDS):
        begun = perf_counter()
        run(image)
        times.append(perf_counter() - begun)
    return 1000 * median(times)


def megabytes_of(model: keras.Model) -> float:
    """Returns the size of the weights in float32, in 1e6 bytes."""
    return 4e-6 * model.count_params()
