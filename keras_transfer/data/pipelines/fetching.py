"""From the indices of examples to what arrays hold of them, without a second copy of the arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_transfer.data.pipelines.options import as_written
from keras_transfer.data.pipelines.order import Order


def fetched(order: Order, arrays: Sequence[np.ndarray], *, first_place: int = 0) -> tf.data.Dataset:
    """Yields for one image after the other the rows of arrays at its index, then its index, use, place and epoch.

    A constant in the graph would be a copy of the whole array for each pipeline. Here the arrays stay NumPy's, in
    memory or mapped from a file, and the rows of one chunk are copied.

    Args:
        order: of a pass.
        arrays: of numbers, text or bytes, all of one length.
        first_place: from which places are counted.
    """
    types = [tf.as_dtype(array.dtype) if array.dtype.kind in "iufb" else tf.string for array in arrays]

    def rows(indices: np.ndarray) -> list[np.ndarray]:
        return [array[indices] for array in arrays]

    @as_written
    def fetch(start: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
        index, uses, places, epochs = order.chunk(start, epoch)
        found = tf.numpy_function(rows, [index], types, stateful=False)
        found = [tf.ensure_shape(each, (None, *array.shape[1:])) for each, array in zip(found, arrays, strict=True)]
        return tf.data.Dataset.from_tensor_slices((*found, index, uses, places + first_place, epochs))

    return order.starts().flat_map(fetch)
