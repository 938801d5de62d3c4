"""Measuring: the time that each runtime takes for one picture."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import numpy as np

from keras_transfer.runtimes.frozen import Answer

_TURNS, _CALLS = 7, 5


def milliseconds(answers: Mapping[str, Answer], image: np.ndarray) -> dict[str, float]:
    """Returns the median time in milliseconds that each runtime takes for one picture.

    The runtimes are timed by turns, in alternating order. The first call of each turn is not counted, because threads
    of the previous runtime may still be running.

    Args:
        answers: by the name of the runtime, its function from images to outputs.
        image: float32 `(1, height, width, 3)` in [0, 255].
    """
    taken: dict[str, list[float]] = {name: [] for name in answers}
    for turn in range(_TURNS):
        for name in list(answers)[:: 1 if turn % 2 == 0 else -1]:
            answers[name](image)
            for _ in range(_CALLS):
                start = time.perf_counter()
                answers[name](image)
                taken[name].append(1000 * (time.perf_counter() - start))
    return {name: median(times) for name, times in taken.items()}
