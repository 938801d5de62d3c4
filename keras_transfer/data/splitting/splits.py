"""Honest splits: every class in every part, groups on one side, the same for the same seed on every machine."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_transfer._arguments import Kind, Number
from keras_transfer._checks import DataError
from keras_transfer.data.examples import Examples


def hold_out(
    splits: Mapping[str, Examples], share: float, seed: int, class_names: Sequence[str]
) -> dict[str, Examples]:
    """Takes a share of each class of "train" for "validation", unless there is one; groups stay on one side."""
    if "validation" in splits:
        return dict(splits)
    examples = splits["train"]
    labels = strata_of(examples)
    if labels is None:  # a plain seeded split
        labels, class_names = np.zeros(len(examples), int), ["any"]
    elif not examples.task.needs_classes:
        class_names = [f"stratum {number}" for number in range(labels.max() + 1)]
    if examples.groups is None:
        train, validation = stratified(labels, share, seed, class_names)
    else:
        train, validation = grouped(labels, examples.groups, share, seed, class_names)
    return {**splits, "train": examples.take(train), "validation": examples.take(validation)}


def strata_of(examples: Examples) -> np.ndarray | None:
    """Returns the stratum of each image, `(count,)`; None where all are alike, or groups come before strata."""
    if examples.groups is not None and not examples.task.needs_classes:
        return None
    return examples.task.strata(examples.labels)


def draw(strata: np.ndarray | None, count: int, wanted: int, seed: int) -> np.ndarray:
    """Draws some of `count` images, each stratum by its share, and two of each if so many are wanted.

    Returns:
        Indices in rising order, int `(min(wanted, count),)`.

    Example:
        >>> strata = np.array([0] * 90 + [1] * 8 + [2] * 2)
        >>> np.bincount(strata[draw(strata, 100, 20, 0)])
        array([15,  3,  2])
    """
    order = np.random.default_rng(seed).permutation(count)
    if strata is None:
        return np.sort(order[:wanted])
    _, number, counts = np.unique(strata[order], return_inverse=True, return_counts=True)
    rank = np.empty(count, np.int64)
    rank[np.argsort(number, kind="stable")] = np.concatenate([np.arange(each) for each in counts])
    place = np.maximum(rank - 1, 0) / counts[number]  # the first two of each come first, then all by their shares
    return np.sort(order[np.argsort(place, kind="stable")[:wanted]])


SHARE = Kind(lambda value: Number(0, 1, above=True).accepts(value) and value < 1, "a number in (0, 1)")


def stratified(
    labels: np.ndarray, share: float, seed: int, class_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Splits by class share: each class gives `share` of its images, at least one, and keeps at least one.

    Args:
        labels: int `(count,)`.
        share: part of the images for the second split, in (0, 1).
        seed: of the choice.
        class_names: name of each label, for the error.

    Returns:
        Indices of both splits, each in rising order.

    Raises:
        InputError: if `share` is out of range or a class has a single image.

    Example:
        >>> train, validation = stratified(np.array([0] * 8 + [1] * 4), 0.25, 0, ["a", "b"])
        >>> len(train), len(validation)
        (9, 3)
    """
    SHARE("validation_split", share)
    rng = np.random.default_rng(seed)
    second: list[int] = []
    for label, name in enumerate(class_names):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < 2:
            raise DataError(
                f"Expected 2 or more usable images of each class, to train on and to validate with. Received: "
                f"{len(members)} of {name!r}. Add images, or leave the class out."
            )
        second += members[: min(max(1, round(share * len(members))), len(members) - 1)].tolist()
    chosen = np.zeros(len(labels), bool)
    chosen[second] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def grouped(
    labels: np.ndarray, groups: np.ndarray, share: float, seed: int, class_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Splits so that no group is on both sides, near the share and the class shares (StratifiedGroupKFold).

    Args:
        labels: int `(count,)`.
        groups: int `(count,)`, such as a patient, a burst of photographs, or copies of one picture.
        share: part of the images for the second split, in (0, 1); it is met as well as the groups allow.
        seed: of the choice.
        class_names: name of each label, for the errors.

    Returns:
        Indices of both splits, each in rising order.

    Raises:
        InputError: if `share` is out of range, or nothing would be left to learn a class from.

    Example:
        >>> train, validation = grouped(np.arange(12) % 2, np.arange(12) // 4, 0.3, 0, ["a", "b"])
        >>> len(train), len(validation)
        (8, 4)
    """
    SHARE("validation_split", share)
    parts = round(1 / min(share, 1 - share))
    first, second = next(group_folds(labels, groups, parts, seed))
    train, validation = (first, second) if share <= 0.5 else (second, first)
    _check_classes(labels, groups, train, class_names)
    return train, validation


def group_folds(labels: np.ndarray, groups: np.ndarray, parts: int, seed: int) -> Any:
    """Yields pairs of indices, each of the parts once as the second, no group on both sides.

    Raises:
        InputError: if there is one group only.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = len(np.unique(groups))
    if count < 2:
        raise DataError(f"Expected 2 or more groups, to train on and to validate with. Received: {count}.")
    parts = min(parts, count, int(np.bincount(labels).max()))
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of small classes; they are checked here
        yield from StratifiedGroupKFold(max(parts, 2), shuffle=True, random_state=seed).split(labels, labels, groups)


def group_ids(keys: Sequence[Hashable]) -> np.ndarray:
    """Returns a number for each key, equal for equal keys: int64 `(count,)`."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _check_classes(labels: np.ndarray, groups: np.ndarray, train: np.ndarray, class_names: Sequence[str]) -> None:
    for label, name in enumerate(class_names):
        if label not in labels[train]:
            number = len(np.unique(groups[labels == label]))
            raise DataError(
                f"Expected images of each class in 2 or more groups, to train on and to validate with. Received: "
                f"{name!r} in {number}, which cannot be split. Add images, or give a split of your own."
            )
