"""Requests a second of `keras-transfer serve`, over REST and gRPC, beside a bare tf.function of the same graph."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import httpx
import tensorflow as tf
from measure import NETWORKS, SIZE, in_turn, photographs, report, timed
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

import keras_transfer as kt
from keras_transfer.server import Server

BATCHES = (1, 8)
REQUESTS = {"MobileNetV2": 100, "EfficientNetB0": 60, "ResNet50": 40, "VGG16": 20}


def main() -> None:
    """Asks one at a time, from the same process, in turn: the difference is what the protocols and the server cost."""
    rows = {}
    for network in NETWORKS:
        with tempfile.TemporaryDirectory() as folder, photographs(max(BATCHES), 1) as pictures:
            contents = [path.read_bytes() for path in sorted(Path(pictures, "train").rglob("*.jpg"))]
            model = kt.build_model(network, 10, weights=None, image_size=SIZE)
            version = kt.export(model, Path(folder, "model"), verify=False)
            module = tf.saved_model.load(str(version))
            with (
                Server(version.parent, port=0, grpc_port=0) as server,
                httpx.Client(timeout=60) as client,
                grpc.insecure_channel(server.grpc_address) as channel,
            ):
                for batch in BATCHES:
                    count = max(5, REQUESTS[network] // batch)
                    ways = {
                        "tf.function": partial(_bare, module, contents[:batch]),
                        "serve, REST": partial(_rest, client, server.model_url, contents[:batch]),
                        "serve, gRPC": partial(_grpc, PredictionServiceStub(channel), contents[:batch]),
                    }
                    for ask in ways.values():
                        ask()
                    seconds = in_turn({way: partial(timed, partial(_often, ask, count)) for way, ask in ways.items()})
                    name = f"{network}, batch {batch}"
                    rows[name] = {way: [count / one for one in taken] for way, taken in seconds.items()}
    report(f"serving at {SIZE}x{SIZE}, one client (a ratio of 1.1: gRPC 1.1 times slower)", rows, unit="requests/s")


def _often(ask: Callable[[], object], count: int) -> None:
    for _ in range(count):
        ask()


def _bare(module: object, contents: list[bytes]) -> object:
    return module.signatures["serving_default"](image_bytes=tf.constant(contents))["probabilities"].numpy()


def _rest(client: httpx.Client, url: str, contents: list[bytes]) -> object:
    instances = [{"image_bytes": {"b64": base64.b64encode(content).decode()}} for content in contents]
    return client.post(f"{url}:predict", json={"instances": instances}).raise_for_status().json()


def _grpc(stub: PredictionServiceStub, contents: list[bytes]) -> object:
    request = PredictRequest()
    request.model_spec.name = "model"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(contents))
    return tf.make_ndarray(stub.Predict(request, timeout=60).outputs["probabilities"])


if __name__ == "__main__":
    main()
