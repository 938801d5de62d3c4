"""Orders: which example stands at which place of a pass, made by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

CHUNK = 64  # images whose order is found, and that are fetched, by one operation


@dataclass(frozen=True)
class Order:
    """Which example stands at which place of a pass over the data.

    Attributes:
        size: places in a pass.
        index_at: function of places int64 `(n,)`, counted from 0, and the epoch's number, that gives the indices of
            the examples int64 `(n,)`.
        next_epoch: called when a pass begins; gives the number of its epoch, int64.
    """

    size: int
    index_at: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    next_epoch: Callable[[], tf.Tensor]

    def starts(self) -> tf.data.Dataset:
        """Yields the place at which a chunk of a pass begins, and the epoch, int64."""

        def one_pass(_: tf.Tensor) -> tf.data.Dataset:
            epoch = tf.data.Dataset.from_tensors(self.next_epoch())
            return tf.data.Dataset.zip((tf.data.Dataset.range(0, self.size, CHUNK), epoch.repeat()))

        return tf.data.Dataset.range(1).flat_map(one_pass)

    def chunk(self, start: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns index, epoch and place of the images of a chunk, int64 `(n,)` each."""
        places = tf.range(start, tf.minimum(start + CHUNK, self.size))
        return self.index_at(places, epoch), tf.fill(tf.shape(places), epoch), places


def shuffled(size: int, seed: int, epoch: tf.Variable) -> Order:
    """Returns the order of an epoch, a permutation of the whole set; each pass counts the epoch up."""

    def index_at(places: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        key = tf.stack([tf.constant(seed, tf.int64), number])
        return tf.random.experimental.index_shuffle(places, key, tf.constant(size - 1, tf.int64))

    return Order(size, index_at, lambda: epoch.assign_add(1) - 1)


def in_turn(size: int, epoch: int = 0) -> Order:
    """Returns the order in which the examples are, in a pass of the epoch named."""
    return Order(size, lambda places, number: places, lambda: tf.constant(epoch, tf.int64))
