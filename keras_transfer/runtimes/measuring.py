"""Measuring: how long each runtime takes for one picture."""

from __future__ import annotations

import time
from collections.abc import Mapping
from statistics import median

import numpy as np

from keras_transfer.runtimes.frozen import Answer

_TURNS, _CALLS = 7, 5


def milliseconds(answers: Mapping[str, Answer], image: np.ndarray) -> dict[str, float]:
    """Times one picture at a time, the runtimes in turn, in alternating order; returns the median of each.

    Each turn begins with a call that is not counted: threads of the runtime before may still be spinning.
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
