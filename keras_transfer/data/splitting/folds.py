"""Cross-validation: the same images, each once for validation."""

from __future__ import annotations

import warnings
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
    from sklearn.model_selection import KFold, StratifiedKFold

    count = Whole(2)("count", count)
    whole = reduce(Examples.followed_by, [data.splits[name] for name in ("train", "validation") if name in data.splits])
    strata = strata_of(whole)
    one_class, labels = strata is not None, np.zeros(len(whole), int) if strata is None else strata
    fewest = min(np.bincount(labels, minlength=data.num_classes)) if one_class else len(labels)
    if whole.groups is not None:
        fewest = len(np.unique(whole.groups))
        pairs = group_folds(labels, whole.groups, count, data.seed)
    elif one_class:
        pairs = StratifiedKFold(count, shuffle=True, random_state=data.seed).split(labels, labels)
    else:
        pairs = KFold(count, shuffle=True, random_state=data.seed).split(labels)
    if fewest < count:
        what = "groups" if whole.groups is not None else "images of each class"
        raise DataError(f"Expected {count} {what} or more, one for each fold. Received: {fewest}.")
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        return [
            replace(
                data,
                splits={**data.splits, "train": whole.take(train), "validation": whole.take(validation)},
            )
            for train, validation in pairs
        ]
