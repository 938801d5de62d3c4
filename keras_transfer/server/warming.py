"""Warm-up: a version answers the requests that lie in its own folder before users' ones, as in TF Serving."""

from __future__ import annotations

import logging
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from keras_transfer.server.faults import Fault
from keras_transfer.server.protos import read_proto
from keras_transfer.server.servable import Servable
from keras_transfer.serving.warmup import FILE

MAX_REQUESTS = 1000  # as TF Serving
MAX_BYTES = 2**30

_log = logging.getLogger(__name__)


def warm_up(servable: Servable, folder: Path) -> int:
    """Runs the warm-up requests of a version. A wrong one is logged: the version can be served all the same.

    Returns:
        The number of requests that were answered.
    """
    if not (folder / FILE).is_file():
        return 0
    answered = 0
    try:
        for record in tf.data.TFRecordDataset(str(folder / FILE)).take(MAX_REQUESTS).as_numpy_iterator():
            request = PredictionLog.FromString(record).predict_log.request
            signature = servable.signature(request.model_spec.signature_name or "serving_default")
            inputs = {name: read_proto(proto, name, MAX_BYTES) for name, proto in request.inputs.items()}
            signature.check(inputs)
            signature.run(inputs)
            answered += 1
    except (Fault, tf.errors.OpError, ValueError) as error:
        _log.warning("version %d: a warm-up request cannot be answered: %s", servable.version, error)
    return answered
