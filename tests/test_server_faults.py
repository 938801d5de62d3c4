"""Faults: each has the outcome that docs/server.md states, and nothing else on the server is disturbed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Semaphore

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from test_server import Client, connected, packed
from typer.testing import CliRunner

import keras_transfer as kt
from keras_transfer.cli import app
from keras_transfer.server import Limits, Server
from keras_transfer.server.limits import BODIES
from keras_transfer.server.running import StopSignal
from keras_transfer.server.servables import Servables

QUICK = Limits(poll=0.05)


@pytest.fixture(scope="module")
def picture(pictures) -> bytes:
    return (pictures / "red" / "0.jpg").read_bytes()


@pytest.fixture(scope="module")
def shared(served_colours):
    with Server(served_colours, port=0, grpc_port=0) as server, connected(server) as made:
        yield made


@pytest.fixture
def client(shared, picture):
    """After each fault the server answers as before."""
    yield shared
    assert shared.post({"instances": [packed(picture)]}).status_code == 200
    assert shared.predict({"image_bytes": [picture]}).outputs
    assert shared.get("/health").status_code == 200


GARBAGE = {
    "random bytes": np.random.default_rng(0).bytes(10_000),
    "nested a hundred thousand deep": b'{"instances": ' + b"[" * 100_000,
    "balanced and deep": b'{"instances": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a hundred deep": b'{"instances": ' + b"[" * 100 + b"]" * 100 + b"}",
    "a number of a million digits": b'{"instances": [' + b"9" * 1_000_000 + b"]}",
    "not UTF-8": b'{"instances": ["\xff\xfe"]}',
    "UTF-16": '{"instances": ["a"]}'.encode("utf-16"),
    "a lone surrogate": b'{"instances": ["\\ud800"]}',
    "a million empty strings": json.dumps({"instances": [""] * 1_000_000}).encode(),
    "null": b"null",
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
def test_garbage_bodies_are_400(client, body):
    answer = client.post(body)
    assert answer.status_code == 400 and len(answer.content) < 2000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb_is_413(client, chunked):
    size = 100 * 10**6
    body = (bytes(2**20) for _ in range(96)) if chunked else bytes(size)
    answer = client.http.post(f"{client.url}/v1/models/colours:predict", content=body)
    assert answer.status_code == 413 and "larger than 33554432 bytes" in answer.json()["error"]


def send(client: Client, content: bytes) -> bytes:
    """Sends bytes over a connection of its own, and returns the first of the answer."""
    host, port = client.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(content)
        return connection.recv(12)


HEAD = b"POST /v1/models/colours:predict HTTP/1.1\r\nHost: x\r\n"


def test_a_client_that_waits_to_be_told_is_told_at_once(client):
    told = send(client, HEAD + b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n")
    assert told == b"HTTP/1.1 413"


def test_a_client_that_speaks_no_http_or_leaves_in_the_middle_is_nobodys_loss(client):
    assert send(client, b"\x16\x03\x01 this is no HTTP\r\n\r\n") == b"HTTP/1.1 400"
    host, port = client.url.removeprefix("http://").split(":")
    for _ in range(5):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n{")
    wait_until(lambda: 'status="CANCELLED"} 5.0' in client.get("/monitoring/prometheus/metrics").text)


def test_a_message_of_100_mb_is_resource_exhausted(client):
    with pytest.raises(grpc.RpcError) as caught:
        client.predict({"image_bytes": [bytes(100 * 10**6)]})
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_wrong_shapes_are_refused(client):
    for shape in ((1, 31, 32, 3), (1, 32, 32, 4), (32, 32, 3), (1, 1, 32, 32, 3), ()):
        images = np.zeros(shape, "float32")
        answer = client.post({"signature_name": "predict_images", "inputs": images.tolist()})
        assert answer.status_code == 400 and "shape" in answer.json()["error"]
        with pytest.raises(grpc.RpcError) as caught:
            client.predict({"images": images}, "predict_images")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_small_message_that_announces_a_huge_tensor_is_refused(client):
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "colours", "predict_images"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(0.0, tf.float32, (10_000_000, 32, 32, 3)))
    with pytest.raises(grpc.RpcError) as caught:
        client.prediction.Predict(request, timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def png_of_size(height: int, width: int) -> bytes:
    """A PNG file of a few bytes that announces any size, and packs its rows of zeros well."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packing = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    rows = b"".join(packing.compress(row) for _ in range(height)) + packing.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_bytes_that_are_no_image_and_decompression_bombs_are_refused_and_others_answered(client, picture):
    bomb = png_of_size(12_000, 12_000)
    assert len(bomb) < 50_000
    bad = [b"", b"garbage", picture[:40], b"<html>404</html>", bomb]

    def ask(content: bytes) -> int:
        return client.post({"instances": [packed(content)]}).status_code

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, (bad + [picture] * 5) * 4))
    assert answers == ([400] * 5 + [200] * 5) * 4
    with pytest.raises(grpc.RpcError) as caught:
        client.predict({"image_bytes": [bomb]})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def wait_until(true, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


class Counting(tf.Module):
    """A model that loads at once, and not without its variables: it answers with the lengths of what it is sent."""

    def __init__(self):
        super().__init__()
        self.zero = tf.Variable(0)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def count(self, image_bytes):
        return {"lengths": tf.strings.length(image_bytes) + self.zero}


@pytest.fixture(scope="module")
def counting(tmp_path_factory) -> Path:
    module = Counting()
    folder = tmp_path_factory.mktemp("counting") / "1"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.count})
    return folder


@pytest.fixture
def changing(counting, tmp_path):
    """A server on a folder of versions that may be changed."""
    folder = tmp_path / "colours"
    shutil.copytree(counting, folder / "1")
    with Server(folder, port=0, grpc_port=0, limits=QUICK) as server, connected(server) as client:
        yield client, folder


def served_version(client: Client) -> int | None:
    return client.get("/health").json().get("version")


def test_a_half_copied_version_is_reported_and_taken_when_it_is_whole(changing, picture):
    client, folder = changing
    whole = folder / "1"
    (folder / "2").mkdir()
    shutil.copy(whole / "saved_model.pb", folder / "2")
    wait_until(
        lambda: (
            client.get("/v1/models/colours/versions/2").json().get("model_version_status", [{}])[0].get("state")
            == "END"
        )
    )
    newest, served = client.get("/v1/models/colours").json()["model_version_status"]
    assert newest["version"] == "2" and newest["status"]["error_code"] != "OK" and newest["status"]["error_message"]
    assert served["version"] == "1" and served["state"] == "AVAILABLE"
    assert client.post({"instances": [packed(picture)]}).status_code == 200
    shutil.copytree(whole, folder / "2", dirs_exist_ok=True)
    wait_until(lambda: served_version(client) == 2)
    states = {
        part["version"]: part["state"] for part in client.get("/v1/models/colours").json()["model_version_status"]
    }
    assert states == {"2": "AVAILABLE", "1": "END"}
    assert client.post({"instances": [packed(picture)]}, "/v1/models/colours/versions/1:predict").status_code == 404
    assert client.post({"instances": [packed(picture)]}, "/v1/models/colours/versions/2:predict").status_code == 200


def test_a_version_that_is_still_written_is_let_alone(changing):
    client, folder = changing
    shutil.copytree(folder / "1", folder / ".aside")
    (folder / "2").mkdir()
    for number in range(20):
        (folder / "2" / f"part-{number}").write_bytes(bytes(number + 1))
        time.sleep(0.02)
        states = client.get("/v1/models/colours/versions/2").json().get("model_version_status", [])
        assert [part["state"] for part in states] in ([], ["START"]), "nobody has tried to load it"
    shutil.rmtree(folder / "2")
    (folder / ".aside").rename(folder / "2")
    wait_until(lambda: served_version(client) == 2)


def test_a_deleted_version_gives_way_to_the_next_highest_as_in_tf_serving(changing, picture):
    client, folder = changing
    shutil.copytree(folder / "1", folder / "3")
    wait_until(lambda: served_version(client) == 3)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(client.post, {"instances": [packed(picture)]}) for _ in range(40)]
        shutil.rmtree(folder / "3")
        wait_until(lambda: served_version(client) == 1)
        assert {answer.result().status_code for answer in asked} == {200}
    shutil.move(folder / "1", folder.parent / "aside")
    wait_until(lambda: client.get("/health").status_code == 503)
    answer = client.post({"instances": [packed(picture)]})
    assert answer.status_code == 404 and answer.json()["error"] == "Servable not found for request: Latest(colours)"
    shutil.move(folder.parent / "aside", folder / "1")
    wait_until(lambda: served_version(client) == 1)


def test_a_folder_that_cannot_be_read_changes_nothing(changing, picture):
    client, folder = changing
    folder.rename(folder.parent / "gone")
    time.sleep(0.2)
    assert client.post({"instances": [packed(picture)]}).status_code == 200
    (folder.parent / "gone").rename(folder)


def test_an_old_version_is_drained_before_it_ends(counting, tmp_path):
    servables = Servables(tmp_path)
    shutil.copytree(counting, tmp_path / "1")
    servables.start(poll=60)
    with servables.borrow(tmp_path.name) as old:
        shutil.copytree(counting, tmp_path / "2")
        servables.look()
        assert servables.current.version == 1, "it is taken when it has been still for one look"
        servables.look()
        assert servables.current.version == 2
        assert old.version == 1 and servables.statuses[1].state == "UNLOADING"
        assert old.signature("serving_default").run({"image_bytes": np.array([b"abc"], object)})["lengths"] == [3]
    assert servables.statuses[1].state == "END"
    servables.stop()


def test_a_version_that_is_back_is_not_reported_as_ended_when_its_first_load_is_drained(counting, tmp_path):
    servables = Servables(tmp_path)
    shutil.copytree(counting, tmp_path / "1")
    servables.start(poll=60)
    with servables.borrow(tmp_path.name):
        shutil.copytree(counting, tmp_path / "2")
        servables.look()
        servables.look()
        shutil.rmtree(tmp_path / "2")
        servables.look()
        servables.look()
        assert servables.current.version == 1
    assert servables.statuses[1].state == "AVAILABLE"
    servables.stop()


def test_what_is_no_version_is_passed_over(counting, tmp_path):
    """A number that is no int64, and a folder that goes before it is loaded."""
    servables = Servables(tmp_path / "versions" / ".." / "versions")
    assert servables.name == "versions"
    shutil.copytree(counting, tmp_path / "versions" / "1")
    (tmp_path / "versions" / "20261125101500123456").mkdir()
    servables.start(poll=60)
    assert servables.current.version == 1
    (tmp_path / "versions" / "2").mkdir()
    servables.look()
    assert servables.statuses[2].state == "START"
    (tmp_path / "versions" / "2").rmdir()
    servables.look()
    assert servables.statuses.keys() == {1}
    servables.stop()


def test_requests_under_a_change_of_versions_are_all_answered(changing, picture):
    client, folder = changing
    with ThreadPoolExecutor(8) as threads:
        asked = []
        shutil.copytree(folder / "1", folder / ".aside")
        (folder / ".aside").rename(folder / "2")
        while served_version(client) == 1:
            asked += [threads.submit(client.post, {"instances": [packed(picture)]}) for _ in range(8)]
            asked[-1].result()
        asked += [threads.submit(client.post, {"instances": [packed(picture)]}) for _ in range(20)]
        assert {answer.result().status_code for answer in asked} == {200} and len(asked) > 20


def test_a_taken_port_is_one_sentence_and_exit_code_2(served_colours, shared):
    rest, rpc = shared.url.rsplit(":")[-1], shared.grpc_address.rsplit(":")[-1]
    for ports, option in (
        (("--port", rest, "--grpc-port", "0"), "--port"),
        (("--port", "0", "--grpc-port", rpc), "--grpc-port"),
    ):
        result = CliRunner().invoke(app, ["serve", str(served_colours), *ports])
        assert result.exit_code == 2 and f"choose another port with {option}." in result.output
        assert len(result.output.strip().splitlines()) == 1


def test_folders_without_a_version_that_loads_are_refused(tmp_path, served_colours):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "missing"):
        result = CliRunner().invoke(app, ["serve", str(tmp_path / folder), "--port", "0", "--grpc-port", "0"])
        assert result.exit_code == 2 and "Expected a folder with versions" in result.output
    (tmp_path / "broken" / "4").mkdir(parents=True)
    (tmp_path / "broken" / "4" / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(kt.InputError, match="that TensorFlow can load"):
        Server(tmp_path / "broken", port=0, grpc_port=0).start()
    with pytest.raises(kt.InputError, match="a model name without"):
        Server(served_colours, name="a/b")
    for wrong in ({"max_batch": 0}, {"timeout": float("inf")}, {"max_body": 2**31}):
        with pytest.raises(kt.InputError, match=next(iter(wrong))):
            Limits(**wrong)


def test_a_server_serves_once(counting):
    server = Server(counting.parent, port=0, grpc_port=0)
    server.stop()
    with server, pytest.raises(kt.InputError, match="has not been started"):
        server.start()
    with pytest.raises(kt.InputError, match="has not been started"):
        server.start()


def test_more_bodies_than_fit_in_memory_are_503(counting):
    limits = Limits(max_body=1000)
    with Server(counting.parent, port=0, grpc_port=0, limits=limits) as server, ExitStack() as connections:
        for number in range(BODIES + 1):
            one = connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            head = HEAD.replace(b"colours", server.servables.name.encode())
            one.sendall(head + b"Content-Length: 1000\r\n\r\n" + b" " * 999)
            if number < BODIES:
                time.sleep(0.02)
        assert one.recv(12) == b"HTTP/1.1 503"


def test_more_grpc_bodies_than_fit_in_memory_are_resource_exhausted(counting):
    go, refused = Event(), Semaphore(0)
    with Server(counting.parent, port=0, grpc_port=0, limits=Limits(max_body=1000)) as server:
        signatures = server.servables.current.signatures
        plain = signatures["serving_default"]

        def held(**inputs):
            go.wait(30)
            return plain.function(**inputs)

        signatures["serving_default"] = dataclasses.replace(plain, function=held)
        with connected(server) as client:
            request = PredictRequest()
            request.model_spec.name = server.servables.name
            request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([bytes(800)]))
            request.inputs["image_bytes"].string_val[0] += bytes(1000 - request.ByteSize())
            assert request.ByteSize() == 1000
            answers = [client.prediction.Predict.future(request, timeout=30) for _ in range(BODIES + 3)]
            for answer in answers:
                answer.add_done_callback(lambda done: refused.release())
            assert all(refused.acquire(timeout=30) for _ in range(3)), "refused while the model is busy"
            go.set()
            codes = sorted(answer.code().name for answer in answers)
            assert codes == ["OK"] * BODIES + ["RESOURCE_EXHAUSTED"] * 3
            assert client.prediction.Predict(request, timeout=30).outputs["lengths"].int_val, "there is room again"


class Slow(tf.Module):
    """Answers after the time that is asked for: what is under way when a signal comes is then known."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float64, name="seconds")])
    def wait(self, seconds):
        until = tf.timestamp() + tf.reduce_max(seconds)
        steps = tf.while_loop(lambda count: tf.timestamp() < until, lambda count: [count + 1], [tf.constant(0)])
        return {"steps": tf.fill(tf.shape(seconds), steps[0])}


@pytest.fixture(scope="module")
def slow(tmp_path_factory) -> Path:
    module = Slow()
    folder = tmp_path_factory.mktemp("versions") / "slow"
    tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": module.wait})
    return folder


def ask_slow(client: Client, seconds: float) -> int:
    return client.post({"instances": [seconds]}, "/v1/models/slow:predict").status_code


def code_of_slow(client: Client, seconds: float) -> grpc.StatusCode:
    try:
        client.predict({"seconds": np.array([seconds])}, name="slow")
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_an_answer_that_takes_too_long_is_given_up(slow):
    with Server(slow, port=0, grpc_port=0, limits=Limits(timeout=0.3)) as server, connected(server) as client:
        assert ask_slow(client, 1.0) == 504
        assert code_of_slow(client, 1.0) is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_full_queue_is_unavailable_and_status_is_answered_meanwhile(slow):
    limits = Limits(max_queue=4, max_batch=1)
    with (
        Server(slow, port=0, grpc_port=0, limits=limits) as server,
        connected(server) as client,
        ThreadPoolExecutor(40) as threads,
    ):
        asked = [threads.submit(code_of_slow, client, 0.3) for _ in range(20)]
        asked_rest = [threads.submit(ask_slow, client, 0.3) for _ in range(20)]
        time.sleep(0.2)
        assert client.get("/v1/models/slow").status_code == 200
        request = GetModelStatusRequest()
        request.model_spec.name = "slow"
        assert client.model.GetModelStatus(request, timeout=2).model_version_status
        codes = {answer.result() for answer in asked}
        statuses = {answer.result() for answer in asked_rest}
        assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE} and statuses <= {200, 503}
        assert grpc.StatusCode.UNAVAILABLE in codes or 503 in statuses


def test_what_takes_longer_than_the_grace_is_503_and_the_server_ends(slow, caplog):
    limits = Limits(grace=0.5)  # uvicorn counts whole seconds
    with (
        ThreadPoolExecutor(1) as threads,
        Server(slow, port=0, grpc_port=0, limits=limits) as server,
        connected(server) as client,
    ):
        asked = threads.submit(ask_slow, client, 2.5)
        time.sleep(0.3)
        server.stop()
        assert asked.result() == 503
    assert "Traceback" not in caplog.text


def test_a_second_signal_ends_the_process_at_once():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        stop = StopSignal()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait() == "SIGTERM"
        assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_sigterm_lets_requests_under_way_finish(slow):
    command = [sys.executable, "-m", "keras_transfer.cli", "serve", str(slow), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(kt.__file__).parent.parent)}
    with subprocess.Popen(
        [*command, "--port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        lines = [process.stderr.readline().split() for _ in range(4)]
        addresses = {line[0]: line[-1] for line in lines if line}
        client = Client(addresses["REST"].removesuffix("/v1/models/slow:predict"), addresses["gRPC"])
        with ThreadPoolExecutor(6) as threads:
            body = {"instances": [1.5]}
            rest = [threads.submit(client.post, body, "/v1/models/slow:predict") for _ in range(3)]
            rpc = [threads.submit(client.predict, {"seconds": np.array([1.5])}, name="slow") for _ in range(3)]
            time.sleep(0.7)
            assert not any(answer.done() for answer in (*rest, *rpc))
            process.send_signal(signal.SIGTERM)
            assert [answer.result(30).status_code for answer in rest] == [200] * 3
            assert [tf.make_ndarray(answer.result(30).outputs["steps"])[0] > 0 for answer in rpc] == [True] * 3
        out, err = process.communicate(timeout=30)
        with pytest.raises(httpx.ConnectError):
            client.post(body, "/v1/models/slow:predict")
        client.close()
    assert process.returncode == 0, err
    assert json.loads(out)["model"] == "slow" and "SIGTERM: no new requests" in err
    assert "Traceback" not in err
