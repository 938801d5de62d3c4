"""The contract of augmentations."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from keras_transfer.data.augment import Augment, find
from keras_transfer.testing.contract import require


def check_augmentation(augment: Augment) -> None:
    """Checks that an augmentation keeps size, type and range of an image, and does the same for the same seed.

    Args:
        augment: name, function, Keras layer, or a list of these.

    Raises:
        BrokenContract: if it does not.
        InputError: if the name is unknown, or it is something else.
    """
    change = find(augment)
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (30, 20, 3)), tf.float32)
    for number in range(8):
        seed = tf.constant([0, number], tf.int64)
        changed = change(image, seed)
        require(changed.shape == image.shape, f"an image of shape {tuple(image.shape)}", tuple(changed.shape))
        require(changed.dtype == tf.float32, "an image in float32", changed.dtype.name)
        low, high = float(tf.reduce_min(changed)), float(tf.reduce_max(changed))
        require(low >= -1e-3 and high <= 255 + 1e-3, "values in [0, 255]", (low, high))
        require(np.array_equal(changed, change(image, seed)), "the same image for the same seed")
