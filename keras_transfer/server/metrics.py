"""Figures for Prometheus, under the names that TF Serving gives them; the depth of the queue under one of our own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from keras_transfer.server.batching import Batcher
from keras_transfer.server.faults import fault_of

PATH = "/monitoring/prometheus/metrics"
_MICROSECONDS = tuple(10 * 1.8**power for power in range(33))  # TF Serving's buckets: 10 microseconds to 25 minutes
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The figures of one server."""

    def __init__(self, model_name: str):
        self._model = model_name
        self._registry = CollectorRegistry()
        # a gauge that only rises: prometheus_client lets a counter's name end in _total, TF Serving's does not
        self._requests = Gauge(
            ":tensorflow:serving:request_count",
            "Requests, by what became of them.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds from the first byte of a request to its answer.",
            ["model_name", "API", "entrypoint"],
            buckets=_MICROSECONDS,
            registry=self._registry,
        )
        self._rows = Histogram(
            ":tensorflow:serving:batching_session:processed_batch_size",
            "Images in each computation.",
            buckets=_ROWS,
            registry=self._registry,
        )
        self._waiting = Gauge("keras_transfer_queue_depth", "Requests that wait.", registry=self._registry)

    def batch(self, rows: int) -> None:
        """Counts a computation."""
        self._rows.observe(rows)

    def watch(self, batcher: Batcher) -> None:
        """Reports how many requests wait in a batcher."""
        self._waiting.set_function(lambda: batcher.waiting)

    @contextmanager
    def request(self, api: str, entrypoint: str) -> Iterator[None]:
        """Counts and times one request.

        Args:
            api: what was asked, such as "predict".
            entrypoint: "REST" or "GRPC".

        Raises:
            Fault: what an error in the block means for the client.
        """
        started, status = perf_counter(), "OK"
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:
            fault = fault_of(error)
            status = fault.code.name
            raise fault from error
        finally:
            self._requests.labels(self._model, status).inc()
            self._latency.labels(self._model, api, entrypoint).observe((perf_counter() - started) * 1e6)

    def page(self) -> bytes:
        """Returns all figures in Prometheus' text format."""
        return generate_latest(self._registry)
