"""Limits: bounds of size, time and number for the requests to a server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from keras_transfer._arguments import Number, Whole
from keras_transfer._checks import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds of a server, with defaults for one machine.

    Attributes:
        max_batch: largest number of images in one computation. Waiting requests are joined up to it.
        batch_wait: longest time in seconds that a request waits for others to join it.
        max_queue: largest number of waiting requests. One more is answered 503 / UNAVAILABLE.
        max_rows: largest number of images in one request. They are computed `max_batch` at a time.
        max_body: largest number of bytes of one request. A larger one is answered 413 / RESOURCE_EXHAUSTED. All
            requests in memory of one protocol may have `BODIES` times as many bytes; one more is answered 503 by REST
            and RESOURCE_EXHAUSTED by gRPC.
        timeout: time in seconds after which a request is answered 504 / DEADLINE_EXCEEDED; 30 as in TF Serving's REST
            API. It starts when the body has arrived; the body may take as long before.
        grace: time in seconds that unfinished requests have when the server is told to stop.
        poll: time in seconds between two checks for new versions; 1 as in TF Serving.
    """

    max_batch: int = 32
    batch_wait: float = 0.002
    max_queue: int = 256
    max_rows: int = 1024
    max_body: int = 32 * 2**20
    timeout: float = 30.0
    grace: float = 30.0
    poll: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            number = Whole(1) if field.type == "int" else Number(0, above=True)
            number(field.name, getattr(self, field.name))
        if self.max_body >= 2**31:
            raise InputError(f"Expected less than 2 GiB, as gRPC allows. Received: max_body={self.max_body!r}.")


BODIES = 8  # number of bodies of the largest size that fit in memory at once, for each of the two protocols
EXPANSION = 4  # a decoded tensor may have this many times the bytes of the largest body
