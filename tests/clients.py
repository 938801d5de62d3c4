"""A client of TF Serving's two protocols, for the tests of the server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import httpx
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from keras_transfer.server import Server


@dataclass
class Client:
    """Speaks both protocols as any client of TF Serving would: plain HTTP, and the official gRPC stubs."""

    url: str
    grpc_address: str

    def __post_init__(self):
        self.http = httpx.Client(timeout=60)
        self.channel = grpc.insecure_channel(self.grpc_address)
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def post(self, body, path="/v1/models/colours:predict") -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body)
        return self.http.post(self.url + path, content=content)

    def get(self, path) -> httpx.Response:
        return self.http.get(self.url + path)

    def predict(self, inputs, signature="", name="colours", version=None, outputs=()):
        request = PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = name, signature
        if version is not None:
            request.model_spec.version.value = version
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        return self.prediction.Predict(request, timeout=60)

    def close(self):
        self.http.close()
        self.channel.close()


@contextmanager
def connected(server: Server) -> Iterator[Client]:
    client = Client(server.url, server.grpc_address)
    try:
        yield client
    finally:
        client.close()


def packed(content: bytes) -> dict[str, str]:
    """Bytes as TF Serving takes them in JSON."""
    return {"b64": base64.b64encode(content).decode()}
