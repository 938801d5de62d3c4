"""Bodies: reads the bodies of HTTP requests, with a limit for each body and one for all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from keras_transfer.server.faults import Code, Fault
from keras_transfer.server.limits import BODIES, Limits

_SWALLOWED = 2**28  # bytes of a rejected body to drain, so that a client still sending gets the response


class Bodies:
    """Reads the bodies of the requests to one server; all calls come from its event loop."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """Yields the body of a request, and counts its bytes until the block ends.

        Raises:
            Fault: RESOURCE_EXHAUSTED with HTTP status 413, if the body is too large; UNAVAILABLE, if all bodies in
                memory are too large together; DEADLINE_EXCEEDED, if the body does not arrive in time; CANCELLED, if the
                client disconnects.
        """
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.timeout):
                announced = request.headers.get("content-length", "")
                if announced.isdecimal() and int(announced) > self._limits.max_body:
                    await self._refuse(request)
                async for chunk in request.stream():
                    size += len(chunk)
                    self._held += len(chunk)
                    chunks.append(chunk)
                    if size > self._limits.max_body:
                        chunks.clear()
                        await self._refuse(request)
                    if self._held > BODIES * self._limits.max_body:
                        raise Fault(Code.UNAVAILABLE, "Too many large requests at once.")
            body = b"".join(chunks)
            chunks.clear()
            yield body
        except ClientDisconnect as error:
            raise Fault(Code.CANCELLED, "The client disconnected.") from error
        finally:
            self._held -= size

    async def _refuse(self, request: Request) -> None:
        # a client that expects 100-continue sends nothing before it is told to
        if request.headers.get("expect", "").lower() != "100-continue":
            swallowed = 0
            async for chunk in request.stream():
                swallowed += len(chunk)
                if swallowed > _SWALLOWED:
                    break
        message = f"The request body is larger than {self._limits.max_body} bytes."
        raise Fault(Code.RESOURCE_EXHAUSTED, message, http_status=413)
