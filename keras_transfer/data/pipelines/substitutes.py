"""Substitutes: where an image cannot be read any more another takes its place, and it is noted which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_transfer.data.pipelines.options import as_written
from keras_transfer.data.pipelines.order import Order, in_turn


@dataclass(frozen=True)
class Substitutes:
    """How a pass is kept whole.

    tf.data can pass over elements that fail, but says neither which nor why. So each image carries its place in the
    pass; where places are missing, their images are examined outside the pipeline. That costs nothing while all is
    well: places are compared once a batch.

    Attributes:
        order: of the pass.
        first_readable: returns the index of an image that can be read; raises if there is none, or what makes reading
            fail whatever the image.
        examine: is called with the index of each image that a pass had to do without, once in each pass. It raises
            what has not to do with the image's file, and that ends the pass.
    """

    order: Order
    first_readable: Callable[[], int]
    examine: Callable[[int], None]

    def fill(self, images: tf.data.Dataset, read: Callable[[Order, int], tf.data.Dataset]) -> tf.data.Dataset:
        """Passes over images that cannot be read, and ends the pass with as many others.

        Args:
            images: of a pass.
            read: function that gives the images of an order, with places counted from a number.
        """
        size = self.order.size

        @as_written
        def others(_: tf.Tensor) -> tf.data.Dataset:
            return read(in_turn(size), size).ignore_errors().repeat()

        @as_written
        def check(_: tf.Tensor) -> tf.Tensor:
            return tf.numpy_function(lambda: np.int64(self.first_readable()), [], tf.int64)

        # read only if images are missing; that none can be read is an error outside of what is passed over
        spare = tf.data.Dataset.range(1).map(check).flat_map(others)
        return images.ignore_errors().concatenate(spare).take(size)

    def watch(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Examines the images whose places are missing, in batches of images, labels, index, use, place and epoch."""

        @as_written
        def compare(last: tuple[tf.Tensor, tf.Tensor], batch: tuple[tf.Tensor, ...]) -> tuple[Any, Any]:
            *rest, place, epoch = batch
            expected = last[0] + 1 + tf.range(tf.shape(place, tf.int64)[0])
            whole = tf.reduce_all(tf.equal(place, expected))
            examined = tf.cond(
                whole, lambda: True, lambda: tf.numpy_function(self._examine_missing, [*last, epoch, place], tf.bool)
            )
            with tf.control_dependencies([examined]):
                return (tf.identity(place[-1]), epoch[-1]), (*rest, place, epoch)

        return batches.scan((tf.constant(-1, tf.int64), tf.constant(0, tf.int64)), compare)

    def _examine_missing(self, last: np.int64, epoch: np.int64, epochs: np.ndarray, places: np.ndarray) -> np.bool_:
        """Examines what is missing after the last place of the batch before, of that epoch, up to the last of these."""
        size = self.order.size
        missing = np.setdiff1d(np.arange(last + 1, min(places[-1] + 1, size)), places)
        if len(missing):
            # where only others were read the epoch is unknown, but then all images are missing, in whatever order
            epoch = epochs[0] if places[0] < size else epoch
            for index in self.order.index_at(tf.constant(missing), tf.constant(epoch)).numpy():
                self.examine(int(index))
        return np.True_
