"""Converts TensorProtos to arrays and back, with a limit on the size of the array."""

from __future__ import annotations

from math import prod

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from keras_transfer.server.faults import invalid


def read_proto(proto: TensorProto, name: str, max_bytes: int) -> np.ndarray:
    """Returns the array of a TensorProto.

    A TensorProto of a few bytes can stand for a large array, because one value may be given for all elements.

    Args:
        proto: the TensorProto, as a client sent it.
        name: name of the input, for error messages.
        max_bytes: largest size of the array in bytes.

    Raises:
        Fault: INVALID_ARGUMENT, if it is damaged or stands for an array of more than `max_bytes`.
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
