"""Bodies of gRPC requests: all that are in memory at once stay below a limit, and nobody keeps others from sending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Semaphore

import grpc
import pytest

from keras_transfer.server.grpc_bodies import GrpcBodies
from keras_transfer.server.limits import BODIES, Limits

Code = grpc.StatusCode
WHOLE = bytes(1000)


@contextmanager
def serving(answer: Callable[[bytes], bytes], limits: Limits) -> Iterator[tuple[GrpcBodies, grpc.Channel]]:
    """A server with one method, /test/ask, that takes and gives bytes."""
    bodies = GrpcBodies(limits)
    server = grpc.server(ThreadPoolExecutor(4 * BODIES), interceptors=[bodies])
    handler = grpc.unary_unary_rpc_method_handler(lambda body, context: answer(body), read)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test", {"ask": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield bodies, channel
    server.stop(None).wait()


def read(body: bytes) -> bytes:
    if body.startswith(b"garbage"):
        raise ValueError(body)
    return body


def ask(channel: grpc.Channel, body: bytes) -> grpc.Future:
    return channel.unary_unary("/test/ask").future(body, timeout=30)


def codes(answers: list[grpc.Future]) -> list[grpc.StatusCode]:
    return [answer.code() for answer in answers]  # waits for them


def test_bodies_beyond_the_limit_are_refused_while_the_others_are_answered():
    go, refused = Event(), Semaphore(0)

    def answer(body: bytes) -> bytes:
        go.wait(30)
        return body[:1]

    with serving(answer, Limits(max_body=1000)) as (bodies, channel):
        answers = [ask(channel, WHOLE) for _ in range(BODIES + 5)]
        for each in answers:
            each.add_done_callback(lambda done: refused.release())
        assert all(refused.acquire(timeout=30) for _ in range(5)), "five are answered while the model holds the others"
        assert bodies.held == BODIES * 1000
        go.set()
        assert sorted(codes(answers), key=str) == [Code.OK] * BODIES + [Code.RESOURCE_EXHAUSTED] * 5
        assert codes([ask(channel, WHOLE) for _ in range(BODIES)]) == [Code.OK] * BODIES, "there is room again"


def test_many_small_bodies_are_all_answered():
    """Many more at once than there is room for at the largest size."""
    with serving(lambda body: body, Limits(max_body=1000)) as (bodies, channel):
        answers = [ask(channel, b"%d" % number) for number in range(200)]
        assert [each.result() for each in answers] == [b"%d" % number for number in range(200)]
        assert bodies.held == 0


@pytest.mark.parametrize(
    ("messages", "code"), [([], Code.UNIMPLEMENTED), ([b"garbage"], Code.INTERNAL), ([b"good"], Code.OK)]
)
def test_a_call_without_a_body_or_with_garbage_is_refused_as_grpc_does(messages, code):
    with serving(lambda body: body, Limits(max_body=1000)) as (bodies, channel):
        assert channel.stream_unary("/test/ask").future(iter(messages), timeout=30).code() is code
        assert codes([ask(channel, WHOLE)]) == [Code.OK] and bodies.held == 0


@contextmanager
def stalled(channel: grpc.Channel, bodies: GrpcBodies) -> Iterator[list[grpc.Future]]:
    """Clients that begin as many calls as there is room for, and send nothing."""
    end = Event()

    def nothing() -> Iterator[bytes]:
        end.wait(30)
        yield from ()

    answers = [channel.stream_unary("/test/ask").future(nothing(), timeout=30) for _ in range(BODIES)]
    while bodies.receiving < BODIES and not any(each.done() for each in answers):
        end.wait(0.001)
    try:
        yield answers
    finally:
        end.set()


def test_clients_that_send_nothing_lose_their_room_to_others():
    with serving(lambda body: body, Limits(max_body=1000, timeout=0.05)) as (bodies, channel):
        with stalled(channel, bodies) as answers:
            assert codes([ask(channel, WHOLE) for _ in range(BODIES)]) == [Code.OK] * BODIES
        assert Code.CANCELLED in codes(answers), "the one that the server received first, whichever that was"


def test_clients_that_leave_before_they_have_sent_give_their_room_back():
    with (
        serving(lambda body: body, Limits(max_body=1000, timeout=1000)) as (bodies, channel),
        stalled(channel, bodies) as answers,
    ):
        waiting = ask(channel, WHOLE)
        answers[0].cancel()
        assert waiting.result() == WHOLE
