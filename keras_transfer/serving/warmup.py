"""Warm-up requests: TF Serving sends them to a version when it loads it, so that first user requests are not slow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from keras_transfer.serving.signatures import Signature

FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warmup(folder: Path, signatures: Mapping[str, Signature], picture: bytes) -> None:
    """Writes a file with one warm-up request for each signature into a version's folder.

    The format is that of TF Serving: https://www.tensorflow.org/tfx/serving/saved_model_warmup

    Args:
        folder: folder of the version.
        signatures: signatures of the version, by name.
        picture: bytes of an image file, the input of the requests.
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
    """Returns a batch of one as a proto: the picture for a string input, zeros for others.

    The proto stores a single 0 for all the zeros.
    """
    if spec.dtype == tf.string:
        return tf.make_tensor_proto([picture])
    return tf.make_tensor_proto(0, spec.dtype, (1, *(size or 1 for size in spec.shape[1:])))
