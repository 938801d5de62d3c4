"""Orders: which example stands at which place of a pass, made by formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from keras_transfer.data.pipelines.options import as_written

CHUNK = 64  # images whose order is found, and that are fetched, by one operation
_WINDOW = 16 * CHUNK  # examples among which those of about the same length are put together


@dataclass(frozen=True)
class Order:
    """Which example stands at which place of a pass over the data.

    Attributes:
        size: places in a pass.
        index_at: function of places int64 `(n,)`, counted from 0, and the epoch's number, that gives the indices of
            the examples int64 `(n,)`.
        next_epoch: called when a pass begins; gives the number of its epoch, int64.
        use_at: function of the same that gives how often each of the examples was used before, int64 `(n,)`; None
            where each is used once an epoch.
    """

    size: int
    index_at: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    next_epoch: Callable[[], tf.Tensor]
    use_at: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None

    def starts(self) -> tf.data.Dataset:
        """Yields the place at which a chunk of a pass begins, and the epoch, int64."""

        @as_written
        def one_pass(_: tf.Tensor) -> tf.data.Dataset:
            epoch = tf.data.Dataset.from_tensors(self.next_epoch())
            return tf.data.Dataset.zip((tf.data.Dataset.range(0, self.size, CHUNK), epoch.repeat()))

        return tf.data.Dataset.range(1).flat_map(one_pass)

    def chunk(self, start: tf.Tensor, epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns index, use, place and epoch of the images of a chunk, int64 `(n,)` each.

        The use says how often the image was used before: it tells what its augmentation is this time.
        """
        places = tf.range(start, tf.minimum(start + CHUNK, self.size))
        epochs = tf.fill(tf.shape(places), epoch)
        uses = epochs if self.use_at is None else self.use_at(places, epoch)
        return self.index_at(places, epoch), uses, places, epochs


def shuffled(size: int, seed: int, epoch: tf.Variable) -> Order:
    """Returns the order of an epoch, a permutation of the whole set; each pass counts the epoch up."""
    return Order(size, lambda places, number: _permuted(places, size, seed, number), lambda: epoch.assign_add(1) - 1)


def balanced(labels: np.ndarray, seed: int, epoch: tf.Variable) -> Order:
    """Returns an order in which each class is drawn equally often; an epoch has as many places as there are examples.

    Draws are counted through all epochs, and take the classes in turn, in a random order within an epoch. Each class
    is gone through again and again, in another order each time: all of its examples are used before one is used again.

    Args:
        labels: number of the class of each example, int `(count,)`. Classes without examples are left out.
        seed: of the orders.
        epoch: number of the next one; each pass counts it up.
    """
    size = len(labels)
    by_class = np.argsort(labels, kind="stable").astype(np.int64)
    counts = np.unique(labels, return_counts=True)[1].astype(np.int64)
    first = np.cumsum(counts) - counts

    def draws(places: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the class of each place, the pass over its examples, and the place in this pass."""
        draw = number * size + _permuted(places, size, seed, number)
        kind, of_class = draw % len(counts), draw // len(counts)
        count = tf.gather(counts, kind)
        return kind, of_class // count, of_class % count

    def index_at(places: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        kind, use, place = draws(places, number)
        key = tf.stack([kind, tf.fill(tf.shape(kind), tf.constant(seed, tf.int64)), use], axis=1)
        last = tf.gather(counts, kind) - 1
        # `index_shuffle` takes one key alone, whatever it says of several
        within = tf.raw_ops.RandomIndexShuffle(index=place, seed=key, max_index=last, rounds=4)
        return tf.gather(by_class, tf.gather(first, kind) + within)

    return Order(size, index_at, lambda: epoch.assign_add(1) - 1, lambda places, number: draws(places, number)[1])


def drawn(sampling: str, labels: np.ndarray, seed: int, epoch: tf.Variable) -> Order:
    """Returns the order of training examples, by the `sampling` of the data: "once" or "balanced"."""
    return balanced(labels, seed, epoch) if sampling == "balanced" else shuffled(len(labels), seed, epoch)


def _permuted(places: tf.Tensor, size: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(places, key, tf.constant(size - 1, tf.int64))


def in_turn(size: int, epoch: int = 0) -> Order:
    """Returns the order in which the examples are, in a pass of the epoch named."""
    return Order(size, lambda places, number: places, lambda: tf.constant(epoch, tf.int64))


def by_length(order: Order, lengths: np.ndarray, batch_size: int, seed: int) -> Order:
    """Returns an order whose batches hold examples of about the same length, and come in any order.

    Within each window of places the examples are put in the order of their lengths, and its batches shuffled. So a pass
    has the same examples as before, each in the same window.

    Args:
        order: of the examples.
        lengths: of each of them, int `(count,)`.
        batch_size: examples in a batch.
        seed: of the order of the batches.
    """
    of_example = lengths.astype(np.int64)

    def moved(places: tf.Tensor, epoch: tf.Tensor) -> tf.Tensor:
        start = places[0] // _WINDOW * _WINDOW  # the places of a chunk lie in one window
        window = tf.range(start, tf.minimum(start + _WINDOW, order.size))
        ranks = tf.argsort(tf.gather(of_example, order.index_at(window, epoch)), stable=True)
        within, batches = places - start, tf.size(window, tf.int64) // batch_size
        key = tf.stack([seed + start, epoch])
        last = tf.maximum(batches - 1, 0)
        batch = within // batch_size
        shuffled_batch = tf.random.experimental.index_shuffle(tf.minimum(batch, last), key, last)
        place = tf.where(batch < batches, shuffled_batch * batch_size + within % batch_size, within)
        return start + tf.cast(tf.gather(ranks, place), tf.int64)

    uses = order.use_at
    return Order(
        order.size,
        lambda places, epoch: order.index_at(moved(places, epoch), epoch),
        order.next_epoch,
        None if uses is None else lambda places, epoch: uses(moved(places, epoch), epoch),
    )
