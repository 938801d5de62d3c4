"""What the server allows: how much it reads, how long it waits, how much it does at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from keras_transfer._arguments import Number, Whole
from keras_transfer._checks import InputError


@dataclass(frozen=True)
class Limits:
    """Bounds of a server. Each has a default that suits one machine.

    Attributes:
        max_batch: images that the network is given at once; requests that wait are joined up to it.
        batch_wait: seconds that a request waits for others to join it.
        max_queue: requests that may wait; one more is answered 503 / UNAVAILABLE.
        max_rows: images in one request; they are computed `max_batch` at a time.
        max_body: bytes of one request; a larger one is answered 413 / RESOURCE_EXHAUSTED. The bodies that one protocol
            is reading or answering may hold `BODIES` times as many together; one more is answered 503 by REST and
            RESOURCE_EXHAUSTED by gRPC.
        timeout: seconds until an answer is given up, 504 / DEADLINE_EXCEEDED; 30, as TF Serving's REST API. The body
            of a request may take as long before.
        grace: seconds that requests under way have when the server is told to stop.
        poll: seconds between two looks for new versions; 1, as TF Serving.
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


BODIES = 8  # request bodies of the largest size that may be in memory at once, for each of the two protocols
EXPANSION = 4  # a decoded tensor may be this many times as large as the largest body
