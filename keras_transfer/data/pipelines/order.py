"""The order of an epoch: a permutation of the whole set, made by formula."""

from __future__ import annotations

import tensorflow as tf


def shuffled(size: int, seed: int, epoch: tf.Variable) -> tf.data.Dataset:
    """Yields `(index, epoch)` for all indices below `size` in the order of an epoch, then counts the epoch up.

    The order is a permutation of the whole set made by formula, eight bytes an image.
    """

    def one_epoch(_: tf.Tensor) -> tf.data.Dataset:
        number = epoch.assign_add(1) - 1
        key = tf.stack([tf.constant(seed, tf.int64), number])
        indices = tf.range(size, dtype=tf.int64)
        order = tf.random.experimental.index_shuffle(indices, key, tf.constant(size - 1, tf.int64))
        return tf.data.Dataset.from_tensor_slices((order, tf.fill([size], number)))

    return tf.data.Dataset.range(1).flat_map(one_epoch)
