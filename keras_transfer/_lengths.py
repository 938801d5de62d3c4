"""Batches of answers of several lengths, such as those for texts, as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def joined(batches: Sequence[np.ndarray], nothing: Any = 0) -> np.ndarray:
    """Joins batches along the first axis; along the others shorter ones are filled up at the end.

    Args:
        batches: arrays of the same number of axes.
        nothing: what they are filled with.

    Example:
        >>> joined([np.ones((1, 2), int), np.ones((1, 3), int)], -1)
        array([[ 1,  1, -1],
               [ 1,  1,  1]])
    """
    shapes = {batch.shape[1:] for batch in batches}
    if len(shapes) == 1:
        return np.concatenate(batches)
    most = np.max(list(shapes), axis=0)
    wider = [[(0, 0), *((0, int(wanted - has)) for wanted, has in zip(most, batch.shape[1:], strict=True))]
             for batch in batches]  # fmt: skip
    every = [np.pad(batch, width, constant_values=nothing) for batch, width in zip(batches, wider, strict=True)]
    return np.concatenate(every)
