"""Warm-up: runs the requests that are stored with a version before it is served, as TF Serving does."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_transfer.server.faults import invalid
from keras_transfer.server.protos import read_proto
from keras_transfer.server.servable import Servable
from keras_transfer.serving.warmup import FILE

MAX_REQUESTS = 1000  # as in TF Serving
MAX_BYTES = 2**30


def warm_up(servable: Servable, folder: Path) -> int:
    """Runs the warm-up requests of a version. As in TF Serving, a version that fails one of them must not be served.

    Returns:
        The number of requests.

    Raises:
        Fault: if a request cannot be read, or does not fit its signature.
        tf.errors.OpError: if the model fails, or the file is damaged.
    """
    if not (folder / FILE).is_file():
        return 0
    answered = 0
    for record in tf.data.TFRecordDataset(str(folder / FILE)).take(MAX_REQUESTS).as_numpy_iterator():
        try:
            request = PredictionLog.FromString(record).predict_log.request
        except DecodeError as error:
            raise invalid(f"Warm-up request {answered + 1} of {FILE} is not a PredictionLog.") from error
        signature = servable.signature(request.model_spec.signature_name or "serving_default")
        inputs = {name: read_proto(proto, name, MAX_BYTES) for name, proto in request.inputs.items()}
        signature.check(inputs)
        signature.run(inputs)
        answered += 1
    return answered
