"""Warm-up requests: TF Serving sends them to a version before users do, so that no user waits for lazy set-up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from keras_transfer.serving.signatures import Signature

FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warmup(folder: Path, signatures: Mapping[str, Signature], picture: bytes) -> None:
    """Writes one request for each signature into a version's folder, as TF Serving's SavedModel warm-up wants them.

    https://www.tensorflow.org/tfx/serving/saved_model_warmup

    Args:
        folder: of the version.
        signatures: of the version.
        picture: bytes of an image file, to ask about.
    """
    from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, signature in signatures.items():
            log = PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = name
            for spec in signature.inputs:
                request.inputs[spec.name].CopyFrom(_example(spec, picture))
            writer.write(log.SerializeToString())


def _example(spec: tf.TensorSpec, picture: bytes) -> tf.compat.v1.TensorProto:
    """Returns a batch of one: the picture, or zeros. One value stands for all of a tensor that repeats it."""
    if spec.dtype == tf.string:
        return tf.make_tensor_proto([picture])
    return tf.make_tensor_proto(0, spec.dtype, (1, *spec.shape[1:]))
