"""Metrics for Prometheus, under the names that TF Serving uses, and the length of the queue under a name of our own."""

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
    """The metrics of one server."""

    def __init__(self, model_name: str):
        self._model = model_name
        self._registry = CollectorRegistry()
        # a gauge that only rises, because prometheus_client appends _total to the name of a counter
        self._requests = Gauge(
            ":tensorflow:serving:request_count",
            "Number of requests, by status.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Microseconds from the start of a request to its answer.",
            ["model_name", "API", "entrypoint"],
            buckets=_MICROSECONDS,
            registry=self._registry,
        )
        self._rows = Histogram(
            ":tensorflow:serving:batching_session:processed_batch_size",
            "Number of images in each computation.",
            buckets=_ROWS,
            registry=self._registry,
        )
        self._waiting = Gauge("keras_transfer_queue_depth", "Number of waiting requests.", registry=self._registry)

    def batch(self, rows: int) -> None:
        """Counts one computation of a batch."""
        self._rows.observe(rows)

    def watch(self, batcher: Batcher) -> None:
        """Reports the number of requests that wait in a batcher from now on."""
        self._waiting.set_function(lambda: batcher.waiting)

    @contextmanager
    def request(self, api: str, entrypoint: str) -> Iterator[None]:
        """Counts and times the request that is answered in the block.

        Args:
            api: kind of the request, such as "predict".
            entrypoint: "REST" or "GRPC".

        Raises:
            Fault: for any error in the block; see `fault_of`.
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
        """Returns all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)
