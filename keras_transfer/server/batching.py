"""Batcher: joins waiting requests for the same signature along their first axis, and computes them together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from time import monotonic

import numpy as np

from keras_transfer.server.faults import Code, Fault, fault_of, invalid
from keras_transfer.server.limits import Limits
from keras_transfer.server.servable import Signature

Arrays = Mapping[str, np.ndarray]


@dataclass(eq=False)
class _Request:
    signature: Signature
    inputs: Arrays
    rows: int
    answer: Future = field(default_factory=Future)
    arrived: float = field(default_factory=monotonic)

    def joins(self, other: _Request) -> bool:
        return (
            self.signature is other.signature  # of the same version, too
            and self.signature.joinable
            and all(self.inputs[name].shape[1:] == other.inputs[name].shape[1:] for name in self.inputs)
        )


class Batcher:
    """Computes requests in worker threads, and joins those that fit together into one batch.

    Args:
        limits: the largest batch, the number of requests that may wait, and the time to wait for others.
        observe: called with the number of rows of each computation.
        workers: number of threads; while one of them prepares a batch, another computes.
    """

    def __init__(self, limits: Limits, observe: Callable[[int], None] = lambda rows: None, workers: int = 2):
        self._limits, self._observe = limits, observe
        self._waiting: deque[_Request] = deque()
        self._changed = Condition()
        self._closed = False
        self._computing = 0
        self._threads = [Thread(target=self._work, name=f"batches-{index}", daemon=True) for index in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of requests that wait for a worker."""
        return len(self._waiting)

    def submit(self, signature: Signature, inputs: Arrays) -> Future:
        """Puts a request in the queue, and returns a future for its answer: the output arrays by name.

        Raises:
            Fault: INVALID_ARGUMENT, if the inputs do not fit the signature; UNAVAILABLE, if too many requests wait.
        """
        rows = signature.check(inputs)
        if rows > self._limits.max_rows:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {self._limits.max_rows}")
        request = _Request(signature, inputs, rows)
        with self._changed:
            if self._closed:
                raise Fault(Code.UNAVAILABLE, "The server is stopping.")
            if len(self._waiting) >= self._limits.max_queue:
                raise Fault(Code.UNAVAILABLE, "The batch scheduling queue to which this task was submitted is full")
            self._waiting.append(request)
            self._changed.notify_all()
        return request.answer

    def close(self) -> None:
        """Computes the requests that still wait, and ends the workers."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            # requests whose clients have gone are not computed
            batch = [request for request in batch if request.answer.set_running_or_notify_cancel()]
            if len(batch) > 1:
                self._run_together(batch)
            elif batch:
                self._run_alone(batch[0])
            del batch  # this thread must not keep it in memory while it waits
            with self._changed:
                self._computing -= 1
                self._changed.notify_all()  # a worker that waits for more requests need not wait any longer

    def _next(self) -> list[_Request]:
        """Waits for a request, joins those that fit it, and waits for more while more are likely.

        More are likely while another batch is computed, because its clients ask again. The wait ends after
        `limits.batch_wait` seconds, when the batch is full, when nothing else is computed, or when a request that does
        not fit waits for a worker. Returns an empty list once the batcher is closed.
        """
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return []
                self._changed.wait()
            first = self._waiting.popleft()
            batch, rows = [first], first.rows
            while True:
                for request in list(self._waiting):
                    if first.joins(request) and rows + request.rows <= self._limits.max_batch:
                        self._waiting.remove(request)
                        batch.append(request)
                        rows += request.rows
                left = first.arrived + self._limits.batch_wait - monotonic()
                full = rows >= self._limits.max_batch or not first.signature.joinable
                if left <= 0 or full or self._computing == 0 or self._waiting or self._closed:
                    self._computing += 1
                    return batch
                self._changed.wait(left)

    def _run_together(self, batch: list[_Request]) -> None:
        signature, names = batch[0].signature, batch[0].inputs
        try:
            joined = {name: np.concatenate([request.inputs[name] for request in batch]) for name in names}
            outputs = self._compute(signature, joined, sum(request.rows for request in batch))
        except Exception:  # one of the requests is bad: alone, it fails and the others are answered
            for request in batch:
                self._run_alone(request)
            return
        start = 0
        for request in batch:
            end = start + request.rows
            request.answer.set_result({name: output[start:end] for name, output in outputs.items()})
            start = end

    def _run_alone(self, request: _Request) -> None:
        try:
            outputs = self._in_parts(request)
        except Exception as error:  # any error is the answer to this request, and the worker goes on
            request.answer.set_exception(fault_of(error))
            return
        request.answer.set_result(outputs)

    def _in_parts(self, request: _Request) -> dict[str, np.ndarray]:
        """Computes a request of any size, at most `max_batch` rows at a time."""
        step = self._limits.max_batch
        if request.rows <= step or not request.signature.joinable:
            return self._compute(request.signature, request.inputs, request.rows)
        parts = []
        for start in range(0, request.rows, step):
            inputs = {name: values[start : start + step] for name, values in request.inputs.items()}
            parts.append(self._compute(request.signature, inputs, min(step, request.rows - start)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _compute(self, signature: Signature, inputs: Arrays, rows: int) -> dict[str, np.ndarray]:
        self._observe(rows)
        outputs = signature.run(inputs)
        odd = [name for name, output in outputs.items() if signature.joinable and output.shape[:1] != (rows,)]
        if odd:
            raise Fault(Code.INTERNAL, f"The model returned another number of rows than {rows} for output {odd[0]!r}.")
        return outputs
