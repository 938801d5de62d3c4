"""Faults: errors of requests, with the status codes that TF Serving uses for REST and gRPC."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import CancelledError

import grpc
import tensorflow as tf

Code = grpc.StatusCode

# https://github.com/tensorflow/serving/blob/master/tensorflow_serving/model_servers/http_server.cc, ToHTTPStatusCode
HTTP_STATUS = {
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}
_log = logging.getLogger(__name__)
_BY_NUMBER = {code.value[0]: code for code in Code}  # TensorFlow numbers its error codes in the same way


class Fault(Exception):
    """An error to send to a client: a status code and a message.

    Attributes:
        code: the status code of gRPC.
        message: what was wrong.
        http_status: the HTTP status code.
    """

    def __init__(self, code: grpc.StatusCode, message: str, http_status: int | None = None):
        super().__init__(message)
        self.code, self.message = code, message
        self.http_status = http_status or HTTP_STATUS.get(code, 500)


def invalid(message: str) -> Fault:
    """Returns a Fault with INVALID_ARGUMENT: the request is wrong in itself."""
    return Fault(Code.INVALID_ARGUMENT, message)


def fault_of(error: BaseException) -> Fault:
    """Returns the Fault to send to a client for an error.

    An error of an unexpected type becomes INTERNAL. The client is told its type alone; the rest is logged.
    """
    if isinstance(error, Fault):
        return error
    if isinstance(error, tf.errors.OpError):
        return Fault(_BY_NUMBER.get(error.error_code, Code.UNKNOWN), error.message)
    if isinstance(error, TimeoutError):
        return Fault(Code.DEADLINE_EXCEEDED, "Timed out waiting for the model.")
    if isinstance(error, CancelledError):
        return Fault(Code.CANCELLED, "The client disconnected, or the server stopped.")
    if isinstance(error, asyncio.CancelledError):
        return Fault(Code.UNAVAILABLE, "The server stopped before the request was answered.")
    _log.error("a request ended in an unexpected error", exc_info=error)
    return Fault(Code.INTERNAL, f"The model could not be run ({type(error).__name__}).")
