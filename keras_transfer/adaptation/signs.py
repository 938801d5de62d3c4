"""Finds signs of negative transfer in predictions, because without labels nobody would see that a model got worse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ENOUGH = 5  # expected images of a class; with fewer, its absence means nothing
_VANISHED = 0.1  # share of the expected images, below which a class counts as vanished
_FAR = 0.3  # total variation distance of the class shares, from which they count as different


def signs_of_negative_transfer(
    predicted: np.ndarray, source_shares: np.ndarray, class_names: Sequence[str], before: np.ndarray | None = None
) -> list[str]:
    """Returns one sentence for each sign of negative transfer in the predictions on a target.

    A class has vanished if it is predicted for less than a tenth of the images expected from its share in the source,
    and at least five are expected. Class shares differ strongly if their total variation distance (half the sum of
    absolute differences) is above 0.3: then methods that make features or predictions of both domains alike move images
    into wrong classes.

    Args:
        predicted: int `(count,)`, the class predicted for each image of the target.
        source_shares: float `(num_classes,)`, the share of each class in the labels of the source.
        class_names: name of each class.
        before: the predictions before the adaptation, int `(count,)`, to be named for comparison.

    Example:
        >>> signs_of_negative_transfer(np.array([0] * 40), np.array([0.5, 0.5]), ["cat", "dog"])[0]
        "'dog' has vanished: predicted for 0 of 40 target images, although 50% of the source labels are this class"
    """
    count = len(predicted)
    shares = shares_of(predicted, len(class_names))
    found = []
    for label, name in enumerate(class_names):
        expected = source_shares[label]
        if expected * count >= _ENOUGH and shares[label] < _VANISHED * expected:
            earlier = "" if before is None else f", {int((before == label).sum())} before adaptation"
            found.append(
                f"{name!r} has vanished: predicted for {int((predicted == label).sum())} of {count} target images"
                f"{earlier}, although {expected:.0%} of the source labels are this class"
            )
    distance = float(np.abs(shares - source_shares).sum() / 2)
    if distance > _FAR and count >= _ENOUGH * len(class_names):
        largest = int((shares - source_shares).argmax())
        found.append(
            f"class shares differ strongly: {distance:.0%} of the target images would have to change their class to "
            f"have the shares of the source; {class_names[largest]!r} is predicted for {shares[largest]:.0%}, although "
            f"{source_shares[largest]:.0%} of the source labels are this class"
        )
    return found


def shares_of(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the share of each class in labels, float `(num_classes,)`."""
    return np.bincount(labels, minlength=num_classes) / max(len(labels), 1)
