"""The REST protocol of TF Serving: predict, status and metadata. Also health and metrics for Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

from keras_transfer.server.batching import Batcher
from keras_transfer.server.bodies import Bodies
from keras_transfer.server.faults import Code, Fault, fault_of, invalid
from keras_transfer.server.limits import Limits
from keras_transfer.server.metrics import PATH, Metrics
from keras_transfer.server.payloads import Question, read_question, write_answer
from keras_transfer.server.servable import Signature
from keras_transfer.server.servables import Servables
from keras_transfer.server.statuses import metadata_json, model_metadata, model_status, status_json

_MODEL = "/v1/models/{name}"
_VERSION = _MODEL + "/versions/{version:int}"


def rest_app(servables: Servables, batcher: Batcher, metrics: Metrics, limits: Limits) -> FastAPI:
    """Makes the web application.

    Args:
        servables: the versions of the model.
        batcher: computes the requests.
        metrics: counts and times the requests.
        limits: bounds of size and time.
    """
    app = FastAPI(title="keras_transfer", docs_url=None, redoc_url=None, openapi_url=None)
    bodies = Bodies(limits)

    async def predict(request: Request) -> Response:
        with metrics.request("predict", "REST"), servables.borrow(*_wanted(request)) as servable:
            async with bodies.read(request) as body:
                question, signature, inputs = await run_in_threadpool(_parse, body, servable.signature)
                answer = asyncio.wrap_future(batcher.submit(signature, inputs))
                outputs = await asyncio.wait_for(answer, limits.timeout)
                return _json(await run_in_threadpool(write_answer, outputs, question.rows))

    def status(request: Request) -> Response:
        return _json(json.dumps(status_json(model_status(servables, *_wanted(request))), indent=1).encode())

    def metadata(request: Request) -> Response:
        name, version = _wanted(request)
        with servables.borrow(name, version) as servable:
            return _json(json.dumps(metadata_json(model_metadata(servable, name)), indent=1).encode())

    def health() -> Response:
        current = servables.current
        if current is None:
            raise Fault(Code.UNAVAILABLE, "No version is loaded.")
        return _json(json.dumps({"status": "ok", "model": servables.name, "version": current.version}).encode())

    for path in (_MODEL, _VERSION):
        app.add_api_route(f"{path}:predict", predict, methods=["POST"])
        for verb in ("classify", "regress"):
            app.add_api_route(f"{path}:{verb}", _other_verb, methods=["POST"])
        app.add_api_route(f"{path}/metadata", metadata, methods=["GET"])
        app.add_api_route(path, status, methods=["GET"])
    app.add_api_route(f"{_MODEL}/labels/{{label:path}}", _label, methods=["GET", "POST"])
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route(PATH, lambda: Response(metrics.page(), media_type="text/plain"), methods=["GET"])
    app.add_exception_handler(404, _not_served)
    app.add_exception_handler(405, _not_served)
    app.add_exception_handler(Fault, _refused)
    return app


def _parse(body: bytes, find: Callable[[str, Fault], Signature]) -> tuple[Question, Signature, dict]:
    question = read_question(body)
    name = question.signature_name
    signature = find(name, invalid(f'Serving signature name: "{name}" not found in signature def'))
    return question, signature, question.inputs(signature.inputs)


def _wanted(request: Request) -> tuple[str, int | None]:
    """Returns the name and version of the model in the path of a request."""
    return request.path_params["name"], request.path_params.get("version")


def _other_verb(request: Request) -> None:
    raise Fault(Code.UNIMPLEMENTED, f"Expected :predict, the only method of this server. Received: {request.url.path}")


def _label(label: str) -> None:
    raise invalid(f"Unrecognized servable version label: {label}")


def _refused(request: Request, fault: Exception) -> Response:
    known = fault_of(fault)
    return _json(json.dumps({"error": known.message}).encode(), known.http_status)


def _not_served(request: Request, error: Exception) -> Response:
    if request.url.path.startswith("/v1/"):
        return _refused(request, invalid(f"Malformed request: {request.method} {request.url.path}"))
    return _refused(request, Fault(Code.NOT_FOUND, f"Nothing is served at {request.url.path}"))


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
