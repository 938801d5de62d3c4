"""Rates: how the learning rate changes within a phase.

A rate is a function from the progress in a phase, in [0, 1), to a factor of the phase's learning rate. The largest
factor is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from keras_transfer._registry import Registry

Rate = Callable[[float], float]
RATES: Registry[Rate] = Registry("rate", callable, "a function from progress in [0, 1) to a factor")


@RATES.register("constant")
def constant(progress: float) -> float:
    """A constant learning rate: the factor is always 1."""
    return 1.0


@RATES.register("one_cycle")
def one_cycle(progress: float, *, peak: float = 0.3, start: float = 1 / 25, end: float = 1e-4) -> float:
    """Rises from `start` to 1 until the progress is `peak`, then falls to `end`, both along half a cosine.

    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates" (2018),
    section 3, https://arxiv.org/abs/1708.07120. Departures: half cosines instead of straight lines, one fall instead
    of two, and constant momentum.

    Example:
        >>> [round(one_cycle(progress), 3) for progress in (0, 0.3, 0.65, 0.999)]
        [0.04, 1.0, 0.5, 0.0]
    """
    if progress < peak:
        return start + (1 - start) * (1 - math.cos(math.pi * progress / peak)) / 2
    return end + (1 - end) * (1 + math.cos(math.pi * (progress - peak) / (1 - peak))) / 2


@RATES.register("slanted_triangular")
def slanted_triangular(progress: float, *, cut: float = 0.1, ratio: float = 32.0) -> float:
    """Rises along a line from `1 / ratio` to 1 until the progress is `cut`, then falls along a line back to it.

    Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018), equation 3,
    https://arxiv.org/abs/1801.06146.

    Example:
        >>> [round(slanted_triangular(progress), 3) for progress in (0, 0.05, 0.1, 0.55, 0.999)]
        [0.031, 0.516, 1.0, 0.516, 0.032]
    """
    share = progress / cut if progress < cut else (1 - progress) / (1 - cut)
    return (1 + share * (ratio - 1)) / ratio


@RATES.register("warmup_cosine")
def warmup_cosine(progress: float, *, warmup: float = 0.1) -> float:
    """Rises linearly from 0.01 to 1 until the progress is `warmup`, then falls to 0 along half a cosine.

    The rise: Goyal and others, "Accurate, Large Minibatch SGD" (2017), section 2.2, https://arxiv.org/abs/1706.02677.
    The fall: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), equation 5,
    https://arxiv.org/abs/1608.03983.

    Example:
        >>> [round(warmup_cosine(progress), 3) for progress in (0, 0.1, 0.55, 0.999)]
        [0.01, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return 0.01 + 0.99 * progress / warmup
    return (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
