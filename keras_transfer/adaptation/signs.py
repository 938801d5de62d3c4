"""Signs of negative transfer in predictions alone: an adaptation can make a model worse, and nobody would tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ENOUGH = 5  # images of a class that were to be expected, below which its absence says nothing
_VANISHED = 0.1  # of the share that a class has in the source
_FAR = 0.3  # between the shares of the source's labels and of the target's predictions, of 1


def signs_of_negative_transfer(
    predicted: np.ndarray, source_shares: np.ndarray, class_names: Sequence[str], before: np.ndarray | None = None
) -> list[str]:
    """Returns sentences on what looks wrong in the predictions on a target, none if nothing does.

    A class vanishes if it is predicted for less than a tenth of the images that the source's shares would give it, and
    at least five were to be expected. Shares differ strongly if half the sum of their differences is above 0.3: methods
    that want the same predictions, or the same features, in both domains then move images into wrong classes.

    Args:
        predicted: int `(count,)`, the class predicted for each image of the target.
        source_shares: float `(num_classes,)`, share of each class in the source's labels.
        class_names: name of each class.
        before: the predictions before adaptation, for comparison.

    Example:
        >>> signs_of_negative_transfer(np.array([0] * 40), np.array([0.5, 0.5]), ["cat", "dog"])[0]
        "'dog' has vanished: predicted for 0 of 40 target images, 50% of the source are of it"
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
                f"{earlier}, {expected:.0%} of the source are of it"
            )
    distance = float(np.abs(shares - source_shares).sum() / 2)
    if distance > _FAR and count >= _ENOUGH * len(class_names):
        largest = int((shares - source_shares).argmax())
        found.append(
            f"label shares differ strongly: {distance:.0%} of the target images would have to change their class to "
            f"have the source's shares; {class_names[largest]!r} is predicted for {shares[largest]:.0%}, "
            f"{source_shares[largest]:.0%} of the source are of it"
        )
    return found


def shares_of(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the share of each class: float `(num_classes,)`."""
    return np.bincount(labels, minlength=num_classes) / max(len(labels), 1)
