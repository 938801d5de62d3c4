"""Cross-validation: the same images, each once for validation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce

import numpy as np

from keras_transfer._arguments import Whole
from keras_transfer._checks import DataError
from keras_transfer.data.examples import Examples
from keras_transfer.data.image_data import ImageData
from keras_transfer.data.splitting.splits import group_folds, strata_of


def folds(data: ImageData, count: int = 5) -> list[ImageData]:
    """Splits training and validation images anew, in `count` ways: each image is once for validation.

    Classes have the same share in every fold, and groups stay on one side. The test images stay as they are.

    Args:
        data: images with labels; its seed is that of the choice.
        count: number of folds, 2 or more.

    Raises:
        InputError: if `count` is below 2, or a class has fewer images, or there are fewer groups.

    Example:
        >>> from keras_transfer.data import from_arrays
        >>> data = from_arrays(np.zeros((20, 8, 8, 3), "uint8"), np.arange(20) % 2)
        >>> [len(fold.splits["validation"]) for fold in folds(data, 4)]
        [5, 5, 5, 5]
    """
    count = Whole(2)("count", count)
    whole = reduce(Examples.followed_by, [data.splits[name] for name in ("train", "validation") if name in data.splits])
    strata = strata_of(whole)
    fewest = len(whole) if strata is None else min(np.bincount(strata, minlength=data.num_classes))
    if whole.groups is not None:
        fewest = len(np.unique(whole.groups))
    if fewest < count:
        what = "groups" if whole.groups is not None else "images of each class"
        raise DataError(f"Expected {count} {what} or more, one for each fold. Received: {fewest}.")
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return [
            replace(
                data,
                splits={**data.splits, "train": whole.take(train), "validation": whole.take(validation)},
            )
            for train, validation in pairs_of(strata, whole.groups, len(whole), count, data.seed)
        ]


def pairs_of(
    strata: np.ndarray | None, groups: np.ndarray | None, examples: int, count: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields pairs of indices, to learn from and to check by; each example is once in the second.

    Args:
        strata: int `(examples,)`, of which each part has its share; None where all are alike.
        groups: int `(examples,)`, which stay on one side; None where each stands for itself.
        examples: their number.
        count: of pairs.
        seed: of the choice.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    labels = np.zeros(examples, int) if strata is None else strata
    if groups is not None:
        yield from group_folds(labels, groups, count, seed)
    elif strata is not None:
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(labels, labels)
    else:
        yield from KFold(count, shuffle=True, random_state=seed).split(labels)
