"""Batching: requests are joined, answered each with its own rows, and one that is bad fails alone."""

from __future__ import annotations

import time
from threading import Event

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.server.batching import Batcher
from keras_transfer.server.faults import Code, Fault
from keras_transfer.server.limits import Limits
from keras_transfer.server.metrics import Metrics
from keras_transfer.server.servable import Signature


class Doubling:
    """A signature that doubles its rows, holds its first computation until it is told, and refuses negative ones."""

    def __init__(self):
        self.begun, self.go = Event(), Event()
        specs = {"x": tf.TensorSpec((None, None), tf.float32)}
        self.signature = Signature("double", specs, specs, self)

    def __call__(self, x):
        self.begun.set()
        if not self.go.wait(10):
            raise TimeoutError
        if tf.reduce_any(x < 0):
            raise tf.errors.InvalidArgumentError(None, None, "negative")
        return {"x": x * 2}


def rows(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.float32([[value] for value in values])}


@pytest.fixture
def doubling():
    part = Doubling()
    yield part
    part.go.set()


@pytest.fixture
def batcher(doubling):
    sizes = []
    made = Batcher(Limits(max_batch=8, max_queue=20), sizes.append, workers=1)
    made.sizes = sizes
    yield made
    doubling.go.set()
    made.close()


def held(batcher, doubling):
    """Submits a request that keeps the only worker busy."""
    first = batcher.submit(doubling.signature, rows(1))
    assert doubling.begun.wait(10)
    return first


def test_requests_that_wait_are_joined_and_get_their_own_rows(batcher, doubling):
    first = held(batcher, doubling)
    waiting = [batcher.submit(doubling.signature, rows(*range(count))) for count in (1, 2, 3)]
    doubling.go.set()
    assert first.result(10)["x"].tolist() == [[2]]
    for count, answer in zip((1, 2, 3), waiting, strict=True):
        assert answer.result(10)["x"].ravel().tolist() == [2 * value for value in range(count)]
    assert batcher.sizes == [1, 6]


@pytest.fixture
def two_workers(doubling):
    """Two workers, and a wait for others that no test lives to see end."""
    sizes = []
    made = Batcher(Limits(max_batch=2, batch_wait=1000), sizes.append, workers=2)
    made.sizes = sizes
    yield made
    doubling.go.set()
    made.close()


def taken(batcher):
    """Returns when a worker has taken what waited, though it may wait for more."""
    deadline = time.monotonic() + 10
    while batcher.waiting:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_request_waits_for_others_while_a_batch_is_computed(two_workers, doubling):
    held(two_workers, doubling)
    first = two_workers.submit(doubling.signature, rows(1))
    taken(two_workers)
    second = two_workers.submit(doubling.signature, rows(2))
    taken(two_workers)
    doubling.go.set()
    assert [answer.result(10)["x"].tolist() for answer in (first, second)] == [[[2]], [[4]]]
    assert two_workers.sizes == [1, 2]


def test_a_lone_request_starts_when_nothing_else_is_computed_any_more(two_workers, doubling):
    held(two_workers, doubling)
    lone = two_workers.submit(doubling.signature, rows(3))
    taken(two_workers)
    doubling.go.set()
    assert lone.result(10)["x"].tolist() == [[6]] and two_workers.sizes == [1, 1]


def test_a_request_does_not_wait_for_others_where_one_that_does_not_fit_needs_the_worker(two_workers):
    """Of two workers the first computes; the second must not keep a request back for company that never comes."""
    slow, quick = Doubling(), Doubling()
    quick.go.set()
    held(two_workers, slow)
    narrow = two_workers.submit(quick.signature, rows(1))
    taken(two_workers)
    wide = two_workers.submit(quick.signature, {"x": np.ones((1, 5), np.float32)})
    assert narrow.result(10)["x"].tolist() == [[2]]
    slow.go.set()
    assert wide.result(10)["x"].shape == (1, 5)


def test_the_figures_tell_how_many_wait(batcher, doubling):
    metrics = Metrics("doubling")
    metrics.watch(batcher)
    held(batcher, doubling)
    for _ in range(3):
        batcher.submit(doubling.signature, rows(1))
    assert b"keras_transfer_queue_depth 3.0" in metrics.page()


def test_a_bad_request_fails_alone(batcher, doubling):
    held(batcher, doubling)
    good, bad, other = (batcher.submit(doubling.signature, rows(value)) for value in (3, -1, 4))
    doubling.go.set()
    assert good.result(10)["x"].tolist() == [[6]] and other.result(10)["x"].tolist() == [[8]]
    with pytest.raises(Fault, match="negative") as caught:
        bad.result(10)
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_only_rows_of_one_shape_are_joined_up_to_the_largest_batch(batcher, doubling):
    held(batcher, doubling)
    narrow = [batcher.submit(doubling.signature, rows(1, 2, 3)) for _ in range(3)]
    wide = batcher.submit(doubling.signature, {"x": np.ones((2, 5), np.float32)})
    doubling.go.set()
    assert [answer.result(10)["x"].shape for answer in narrow] == [(3, 1)] * 3
    assert wide.result(10)["x"].shape == (2, 5)
    assert sorted(batcher.sizes) == [1, 2, 3, 6]


def test_a_large_request_is_computed_in_parts(batcher, doubling):
    doubling.go.set()
    answer = batcher.submit(doubling.signature, rows(*range(20))).result(10)
    assert answer["x"].ravel().tolist() == list(range(0, 40, 2)) and batcher.sizes == [8, 8, 4]
    assert batcher.submit(doubling.signature, {"x": np.zeros((0, 1), np.float32)}).result(10)["x"].shape == (0, 1)


def test_a_full_queue_is_unavailable(batcher, doubling):
    held(batcher, doubling)
    waiting = [batcher.submit(doubling.signature, rows(1)) for _ in range(20)]
    with pytest.raises(Fault, match="full") as caught:
        batcher.submit(doubling.signature, rows(1))
    assert caught.value.code is Code.UNAVAILABLE and caught.value.http_status == 503
    doubling.go.set()
    assert all(answer.result(10)["x"].tolist() == [[2]] for answer in waiting)


def test_what_nobody_waits_for_is_not_computed(batcher, doubling):
    held(batcher, doubling)
    gone, stays = (batcher.submit(doubling.signature, rows(1)) for _ in range(2))
    assert gone.cancel()
    doubling.go.set()
    stays.result(10)
    assert batcher.sizes == [1, 1]


def test_wrong_inputs_never_reach_a_batch(batcher, doubling):
    for inputs in ({}, {"y": rows(1)["x"]}, {"x": np.zeros(3, np.float32)}, {"x": np.zeros((1, 1))}):
        with pytest.raises(Fault) as caught:
            batcher.submit(doubling.signature, inputs)
        assert caught.value.code is Code.INVALID_ARGUMENT
    with pytest.raises(Fault, match="larger than maximum"):
        batcher.submit(doubling.signature, {"x": np.zeros((2000, 1), np.float32)})
    assert batcher.waiting == 0


def test_closing_computes_what_waits_and_takes_no_more(batcher, doubling):
    held(batcher, doubling)
    waiting = batcher.submit(doubling.signature, rows(5))
    doubling.go.set()
    batcher.close()
    assert waiting.result(0)["x"].tolist() == [[10]]
    with pytest.raises(Fault, match="stopping"):
        batcher.submit(doubling.signature, rows(1))
