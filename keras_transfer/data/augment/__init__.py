"""Augmentations: random changes to training images that leave their class as it is, or mix two of them.

It may import nothing else of `data`.
"""

from keras_transfer.data.augment.named import (
    AUGMENTATIONS,
    MIXINGS,
    Augment,
    any_side_up,
    auto,
    find,
    find_mixing,
    light,
    mirror,
    none,
    strong,
    upright,
)
from keras_transfer.data.augment.seeded_layers import Augmentation, Mixing

__all__ = [
    "AUGMENTATIONS",
    "MIXINGS",
    "Augment",
    "Augmentation",
    "Mixing",
    "any_side_up",
    "auto",
    "find",
    "find_mixing",
    "light",
    "mirror",
    "none",
    "strong",
    "upright",
]
