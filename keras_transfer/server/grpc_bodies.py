"""Limits the bytes of gRPC requests that are in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Condition
from time import monotonic
from typing import Any

import grpc

from keras_transfer.server.faults import Code, Fault
from keras_transfer.server.limits import BODIES, Limits


class GrpcBodies(grpc.ServerInterceptor):
    """Receives each request only when there is room for a body of the largest size.

    gRPC announces no length, so room for `max_body` bytes is reserved while a body is received, and its real size is
    counted until the request is answered. A call waits while others are being received, and is refused with
    RESOURCE_EXHAUSTED if the requests that are being answered leave no room.

    Args:
        limits: `max_body` bytes for one body and `BODIES` times as many for all. A client that sends for longer than
            `timeout` seconds is cancelled when another call needs its room.
    """

    def __init__(self, limits: Limits):
        self._largest, self._timeout = limits.max_body, limits.timeout
        self._changed = Condition()
        self._held = 0
        self._receiving: dict[grpc.ServicerContext, float] = {}  # the time at which each began, oldest first

    @property
    def held(self) -> int:
        """Number of bytes of the requests that are being answered."""
        return self._held

    @property
    def receiving(self) -> int:
        """Number of requests that are being received."""
        return len(self._receiving)

    def intercept_service(
        self, continuation: Callable[..., grpc.RpcMethodHandler | None], handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        """Returns a handler that waits for room and then receives the request.

        The handler of gRPC would receive it before any code of this package runs.
        """
        handler = continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        def answer(messages: Iterator[bytes], context: grpc.ServicerContext) -> Any:
            with ExitStack() as stack:
                try:
                    request = stack.enter_context(self._received(messages, context, handler.request_deserializer))
                except Fault as fault:
                    context.abort(fault.code, fault.message)
                return handler.unary_unary(request, context)

        # a client cannot tell one message from a stream of one
        return grpc.stream_unary_rpc_method_handler(answer, None, handler.response_serializer)

    @contextmanager
    def _received(
        self, messages: Iterator[bytes], context: grpc.ServicerContext, parse: Callable[[bytes], Any]
    ) -> Iterator[Any]:
        """Yields the parsed request, and counts its bytes until the block ends."""
        self._wait_for_room(context)
        size, body = 0, None
        try:
            try:
                body = next(messages, None)
                size = len(body or b"")
            finally:
                with self._changed:
                    self._receiving.pop(context, None)
                    self._held += size
                    self._changed.notify_all()
            if body is None:
                raise Fault(Code.UNIMPLEMENTED, "Expected one request message. Received: none.")
            try:
                request = parse(body)
            except Exception as error:
                raise Fault(Code.INTERNAL, "Exception deserializing request!") from error  # gRPC's own words
            del body
            yield request
        finally:
            with self._changed:
                self._held -= size
                self._changed.notify_all()

    def _wait_for_room(self, context: grpc.ServicerContext) -> None:
        most = BODIES * self._largest
        with self._changed:
            while self._held + (len(self._receiving) + 1) * self._largest > most:
                if self._held + self._largest > most:
                    raise Fault(Code.RESOURCE_EXHAUSTED, "Too many large requests at once.")
                oldest, began = next(iter(self._receiving.items()))
                left = began + self._timeout - monotonic()
                if left > 0:
                    self._changed.wait(left)
                else:
                    del self._receiving[oldest]
                    oldest.cancel()
            self._receiving[context] = monotonic()
