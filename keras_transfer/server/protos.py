"""TensorProtos to arrays and back, with a bound on what a few bytes may grow to."""

from __future__ import annotations

from math import prod

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from keras_transfer.server.faults import invalid


def read_proto(proto: TensorProto, name: str, max_bytes: int) -> np.ndarray:
    """Returns the array of a TensorProto, in which one value may stand for all of a tensor.

    Args:
        proto: as a client sent it.
        name: of the input, for errors.
        max_bytes: that the array may take.

    Raises:
        Fault: INVALID_ARGUMENT, if it is damaged or announces more than `max_bytes`.
    """
    sizes = [dimension.size for dimension in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or min(sizes, default=0) < 0:
        raise invalid(f"tensor parsing error: {name}: its shape is not known.")
    try:
        dtype = tf.as_dtype(proto.dtype)
        if prod(sizes) * (dtype.size or 8) > max_bytes:
            raise invalid(f"tensor parsing error: {name}: {sizes} is more than {max_bytes} bytes.")
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        raise invalid(f"tensor parsing error: {name}: {error}"[:300]) from error


def write_proto(array: np.ndarray) -> TensorProto:
    """Returns the TensorProto of an array."""
    return tf.make_tensor_proto(array, shape=array.shape)
