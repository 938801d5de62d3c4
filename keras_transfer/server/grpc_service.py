"""The gRPC services of TF Serving: Predict, GetModelMetadata and GetModelStatus, with the official stubs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from keras_transfer.server.batching import Batcher
from keras_transfer.server.faults import Fault, fault_of, invalid
from keras_transfer.server.grpc_bodies import GrpcBodies
from keras_transfer.server.limits import EXPANSION, Limits
from keras_transfer.server.metrics import Metrics
from keras_transfer.server.protos import read_proto, write_proto
from keras_transfer.server.servables import Servables
from keras_transfer.server.statuses import model_metadata, model_status

_THREADS = 64  # threads beside those for the queue, so that status and metadata are answered while it is full


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Answers Predict and GetModelMetadata for one model."""

    def __init__(self, servables: Servables, batcher: Batcher, metrics: Metrics, limits: Limits):
        self._servables, self._batcher, self._metrics, self._limits = servables, batcher, metrics, limits

    def Predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        """Runs a signature, and returns all its outputs or those named in `output_filter`."""
        return _answer(context, lambda: self._predict(request, context))

    def GetModelMetadata(
        self, request: GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> GetModelMetadataResponse:
        """Returns the signatures of a version."""
        return _answer(context, lambda: self._metadata(request))

    def _predict(self, request: PredictRequest, context: grpc.ServicerContext) -> PredictResponse:
        name, version = _wanted(request.model_spec)
        with self._metrics.request("predict", "GRPC"), self._servables.borrow(name, version) as servable:
            signature = servable.signature(request.model_spec.signature_name or "serving_default")
            unknown = [output for output in request.output_filter if output not in signature.outputs]
            if unknown:
                expected = ",".join(sorted(signature.outputs))
                raise invalid(
                    f"output tensor alias not found in signature: {unknown[0]} Outputs expected to be in the set "
                    f"{{{expected}}}."
                )
            most = EXPANSION * self._limits.max_body
            inputs = {name: read_proto(proto, name, most) for name, proto in request.inputs.items()}
            answer = self._batcher.submit(signature, inputs)
            context.add_callback(answer.cancel)  # when the client has gone
            remaining = context.time_remaining()
            outputs = answer.result(min(self._limits.timeout, remaining or self._limits.timeout))
            response = PredictResponse()
            response.model_spec.name = name
            response.model_spec.version.value = servable.version
            response.model_spec.signature_name = signature.name
            for output in request.output_filter or outputs:
                response.outputs[output].CopyFrom(write_proto(outputs[output]))
            return response

    def _metadata(self, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid(f"Metadata field {field} is not supported")
        name, version = _wanted(request.model_spec)
        with self._servables.borrow(name, version) as servable:
            return model_metadata(servable, name)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """Answers GetModelStatus for one model."""

    def __init__(self, servables: Servables):
        self._servables = servables

    def GetModelStatus(self, request: GetModelStatusRequest, context: grpc.ServicerContext) -> GetModelStatusResponse:
        """Returns the status of one version, or of all."""
        return _answer(context, lambda: model_status(self._servables, *_wanted(request.model_spec)))


def grpc_server(servables: Servables, batcher: Batcher, metrics: Metrics, limits: Limits) -> grpc.Server:
    """Makes the gRPC server; it has no port yet.

    Args:
        servables: the versions of the model.
        batcher: computes the requests.
        metrics: counts and times the requests.
        limits: bounds of size and time.
    """
    server = grpc.server(
        ThreadPoolExecutor(limits.max_queue + 2 * limits.max_batch + _THREADS, thread_name_prefix="grpc"),
        options=[
            ("grpc.max_receive_message_length", limits.max_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.http2.bdp_probe", 0),  # a call that waits to be received sends at most 64 KiB ahead
            ("grpc.so_reuseport", 0),  # without it a port in use would be shared silently
        ],
        interceptors=[GrpcBodies(limits)],
    )
    prediction = PredictionService(servables, batcher, metrics, limits)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(prediction, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(servables), server)
    return server


def _answer(context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:  # any error is answered with a status code
        fault: Fault = fault_of(error)
    return context.abort(fault.code, fault.message)


def _wanted(spec: ModelSpec) -> tuple[str, int | None]:
    if spec.version_label:
        raise invalid(f"Unrecognized servable version label: {spec.version_label}")
    if not spec.name:
        raise invalid("Missing ModelSpec")
    return spec.name, spec.version.value if spec.HasField("version") else None
