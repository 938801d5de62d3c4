"""Honest splits: every class in every part, the same for the same seed on every machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_transfer._checks import InputError
from keras_transfer.data.image_data import Examples


def hold_out(
    splits: Mapping[str, Examples], share: float, seed: int, class_names: Sequence[str]
) -> dict[str, Examples]:
    """Takes a share of each class of "train" for "validation", unless there is one."""
    if "validation" in splits:
        return dict(splits)
    labels = splits["train"].labels
    if labels.ndim == 2:  # several labels an image: a plain seeded split
        labels, class_names = np.zeros(len(labels), int), ["any"]
    train, validation = stratified(labels, share, seed, class_names)
    return {**splits, "train": splits["train"].take(train), "validation": splits["train"].take(validation)}


def check_share(share: float) -> None:
    """Raises InputError unless the share for validation is a part of the whole."""
    if not 0 < share < 1:
        raise InputError(f"Expected `validation_split` in (0, 1). Received: validation_split={share!r}.")


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
    check_share(share)
    rng = np.random.default_rng(seed)
    second: list[int] = []
    for label, name in enumerate(class_names):
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < 2:
            raise InputError(
                f"Expected 2 or more usable images of each class, to train on and to validate with. Received: "
                f"{len(members)} of {name!r}. Add images, or leave the class out."
            )
        second += members[: min(max(1, round(share * len(members))), len(members) - 1)].tolist()
    chosen = np.zeros(len(labels), bool)
    chosen[second] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
