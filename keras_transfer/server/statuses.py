"""Makes the status and metadata of a model, as the messages of TF Serving that REST and gRPC both return."""

from __future__ import annotations

from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from keras_transfer.server.faults import Code, Fault
from keras_transfer.server.servable import Servable
from keras_transfer.server.servables import Servables


def model_status(servables: Servables, name: str, version: int | None = None) -> GetModelStatusResponse:
    """Returns the status of one version, or of all versions seen so far, the highest first.

    Raises:
        Fault: NOT_FOUND, if there is no such model or version.
    """
    statuses = dict(servables.statuses) if name == servables.name else {}
    if version is not None:
        statuses = {number: status for number, status in statuses.items() if number == version}
    if not statuses:
        what = "any versions" if version is None else f"version {version}"
        raise Fault(Code.NOT_FOUND, f"Could not find {what} of model {name}")
    response = GetModelStatusResponse()
    for number, status in sorted(statuses.items(), reverse=True):
        part = response.model_version_status.add(version=number, state=ModelVersionStatus.State.Value(status.state))
        part.status.error_code = status.code.value[0]
        part.status.error_message = status.message
    return response


def model_metadata(servable: Servable, name: str) -> GetModelMetadataResponse:
    """Returns the signatures of a version."""
    response = GetModelMetadataResponse()
    response.model_spec.name = name
    response.model_spec.version.value = servable.version
    signatures = SignatureDefMap()
    for signature_name, definition in servable.signature_defs.items():
        signatures.signature_def[signature_name].CopyFrom(definition)
    response.metadata["signature_def"].Pack(signatures)
    return response


def status_json(response: GetModelStatusResponse) -> dict[str, object]:
    """Returns a status as values for the JSON of REST."""
    return MessageToDict(response, always_print_fields_with_no_presence=True)


def metadata_json(response: GetModelMetadataResponse) -> dict[str, object]:
    """Returns metadata as values for the JSON of REST."""
    signatures = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return {
        "model_spec": _fields(response.model_spec),
        "metadata": {"signature_def": _fields(signatures)},
    }


def _fields(message: object) -> dict[str, object]:
    return MessageToDict(message, always_print_fields_with_no_presence=True, preserving_proto_field_name=True)
