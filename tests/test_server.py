"""The server's contract: what clients of TF Serving rely on. Where TF Serving is installed, it must keep it as well."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from clients import Client, connected, packed
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, ModelVersionStatus
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import keras_transfer as kt
from keras_transfer.server import Server
from keras_transfer.server.faults import Fault, fault_of
from keras_transfer.server.servable import Servable
from keras_transfer.server.warming import warm_up
from keras_transfer.serving.warmup import FILE

BINARY = "tensorflow_model_server"
SERVERS = ("ours", *([BINARY] if shutil.which(BINARY) else []))


@contextmanager
def tensorflow_serving(folder):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        rest, rpc = one.getsockname()[1], other.getsockname()[1]
    command = [
        BINARY,
        f"--port={rpc}",
        f"--rest_api_port={rest}",
        "--model_name=colours",
        f"--model_base_path={folder}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            client = Client(f"http://127.0.0.1:{rest}", f"127.0.0.1:{rpc}")
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                try:
                    if "AVAILABLE" in client.get("/v1/models/colours").text:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
            yield client
            client.close()
        finally:
            process.kill()


@pytest.fixture(scope="module", params=SERVERS)
def client(request, served_colours):
    if request.param == BINARY:
        with tensorflow_serving(served_colours) as made:
            yield made
    else:
        with Server(served_colours, port=0, grpc_port=0, page=True) as server, connected(server) as made:
            yield made


@pytest.fixture(scope="module")
def pictures_bytes(pictures) -> list[bytes]:
    return [(pictures / name / "0.jpg").read_bytes() for name in ("red", "green", "blue")]


@pytest.fixture(scope="module")
def graph(served_colours):
    return tf.saved_model.load(str(served_colours / "1"))


def test_status_is_what_tf_serving_says(client):
    (version,) = client.get("/v1/models/colours").json()["model_version_status"]
    assert version == {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    assert client.get("/v1/models/colours/versions/1").json() == client.get("/v1/models/colours").json()
    request = GetModelStatusRequest()
    request.model_spec.name = "colours"
    (version,) = client.model.GetModelStatus(request, timeout=10).model_version_status
    assert version.version == 1 and version.state == ModelVersionStatus.AVAILABLE and version.status.error_code == 0


def test_metadata_names_the_signatures(client):
    answer = client.get("/v1/models/colours/metadata").json()
    assert answer["model_spec"] == {"name": "colours", "signature_name": "", "version": "1"}
    served = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert served["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    assert served["outputs"]["probabilities"]["tensor_shape"]["dim"][1]["size"] == "3"
    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "colours"
    response = client.prediction.GetModelMetadata(request, timeout=10)
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures) and response.model_spec.version.value == 1
    assert {"serving_default", "predict_images", "explain"} <= set(signatures.signature_def)


def test_rows_columns_and_grpc_answer_with_the_numbers_of_the_graph(client, graph, pictures_bytes):
    expected = graph.signatures["serving_default"](image_bytes=tf.constant(pictures_bytes))
    numbers = expected["probabilities"].numpy()
    names = [name.decode() for name in expected["class_names"].numpy()]
    assert np.ptp(numbers, axis=0).max() > 0.01, "the pictures are told apart"
    encoded = list(map(packed, pictures_bytes))
    for instances in (encoded, [{"image_bytes": one} for one in encoded]):
        predictions = client.post({"instances": instances}).json()["predictions"]
        assert np.abs([row["probabilities"] for row in predictions] - numbers).max() <= 1e-5
        assert [row["class_names"] for row in predictions] == names
        assert [row["class_ids"] for row in predictions] == expected["class_ids"].numpy().tolist()
    for inputs in (encoded, {"image_bytes": encoded}):
        outputs = client.post({"inputs": inputs}).json()["outputs"]
        assert np.abs(outputs["probabilities"] - numbers).max() <= 1e-5 and outputs["class_names"] == names
    answer = client.predict({"image_bytes": pictures_bytes})
    assert np.abs(tf.make_ndarray(answer.outputs["probabilities"]) - numbers).max() <= 1e-5
    assert tf.make_ndarray(answer.outputs["class_names"]).tolist() == expected["class_names"].numpy().tolist()
    assert answer.model_spec.version.value == 1 and answer.model_spec.signature_name == "serving_default"


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_nested_lists_are_images(client, graph, kind):
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(kind)
    signature = "predict_images" if kind == "float32" else "predict_images_uint8"
    expected = graph.signatures[signature](images=tf.constant(images))["probabilities"].numpy()
    body = {"signature_name": signature, "instances": images.tolist()}
    rows = client.post(body, "/v1/models/colours/versions/1:predict").json()["predictions"]
    assert np.abs([row["probabilities"] for row in rows] - expected).max() <= 1e-5
    answer = client.predict({"images": images}, signature, version=1, outputs=["probabilities"])
    assert list(answer.outputs) == ["probabilities"]
    assert np.abs(tf.make_ndarray(answer.outputs["probabilities"]) - expected).max() <= 1e-5


def test_one_output_alone_has_no_name(client, graph, pictures_bytes):
    expected = graph.signatures["features"](image_bytes=tf.constant(pictures_bytes))["features"].numpy()
    body = {"signature_name": "features", "instances": list(map(packed, pictures_bytes))}
    assert np.abs(client.post(body).json()["predictions"] - expected).max() <= 1e-5
    body = {"signature_name": "features", "inputs": list(map(packed, pictures_bytes))}
    assert np.abs(client.post(body).json()["outputs"] - expected).max() <= 1e-5


def test_several_inputs_are_named(client, graph, pictures_bytes):
    instances = [{"image_bytes": packed(one), "class_ids": 1} for one in pictures_bytes]
    rows = client.post({"signature_name": "explain", "instances": instances}).json()["predictions"]
    expected = graph.signatures["explain"](
        image_bytes=tf.constant(pictures_bytes), class_ids=tf.constant([1, 1, 1], tf.int64)
    )
    assert np.abs([row["heat_maps"] for row in rows] - expected["heat_maps"].numpy()).max() <= 1e-5
    assert np.array_equal([row["images"] for row in rows], expected["images"].numpy())


IMAGE = {"signature_name": "predict_images", "instances": [np.zeros((32, 32, 3)).tolist()]}
WRONG = {
    "empty": b"",
    "no JSON": b"{",
    "a list": [1],
    "nothing asked": {},
    "both formats": {"instances": ["a"], "inputs": ["a"]},
    "no instances": {"instances": []},
    "instances of another kind": {"instances": 1},
    "an unknown signature": {"signature_name": "nope", "instances": ["a"]},
    "a signature that is no name": {"signature_name": 1, "instances": ["a"]},
    "an unknown input": {"instances": [{"pictures": "a"}]},
    "one input of two": {"signature_name": "explain", "instances": [{"image_bytes": "a"}]},
    "no base64": {"instances": [{"b64": "!"}]},
    "a number for bytes": {"instances": [1]},
    "bytes that are no image": {"instances": [packed(b"garbage")]},
    "a picture of another size": {"signature_name": "predict_images", "instances": [np.zeros((16, 16, 3)).tolist()]},
    "ragged lists": {"signature_name": "predict_images", "instances": [[[[1, 2, 3]], [[1, 2]]]]},
    "text for numbers": {"signature_name": "predict_images", "instances": [[[["a", "b", "c"]]]]},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_400_with_an_error_alone(client, body):
    answer = client.post(body)
    assert answer.status_code == 400 and list(answer.json()) == ["error"] and answer.json()["error"]
    assert answer.headers["content-type"].startswith("application/json")


def test_what_is_not_served_is_404_and_what_is_no_path_400(client):
    body = {"instances": ["a"]}
    for path in ("/v1/models/other:predict", "/v1/models/colours/versions/7:predict"):
        answer = client.post(body, path)
        assert answer.status_code == 404 and "not found" in answer.json()["error"]
    for path in ("/v1/models/other", "/v1/models/colours/versions/7", "/v1/models/other/metadata"):
        assert client.get(path).status_code == 404 and list(client.get(path).json()) == ["error"]
    for answer in (client.get("/v1/nothing"), client.post({}, "/v1/models/colours:guess"), client.post({}, "/v1/x:y")):
        assert answer.status_code == 400 and answer.json()["error"].startswith("Malformed request")


def test_grpc_refuses_with_tf_servings_codes(client, pictures_bytes):
    good = {"image_bytes": pictures_bytes[:1]}
    cases = [
        (grpc.StatusCode.NOT_FOUND, good, {"name": "other"}),
        (grpc.StatusCode.NOT_FOUND, good, {"version": 7}),
        (grpc.StatusCode.FAILED_PRECONDITION, good, {"signature": "nope"}),
        (grpc.StatusCode.INVALID_ARGUMENT, {}, {}),
        (grpc.StatusCode.INVALID_ARGUMENT, {"pictures": [b"a"]}, {}),
        (grpc.StatusCode.INVALID_ARGUMENT, {"image_bytes": [b"garbage"]}, {}),
        (grpc.StatusCode.INVALID_ARGUMENT, good, {"outputs": ["nope"]}),
        (
            grpc.StatusCode.INVALID_ARGUMENT,
            {"images": np.zeros((1, 8, 8, 3), "float32")},
            {"signature": "predict_images"},
        ),
    ]
    for code, inputs, options in cases:
        with pytest.raises(grpc.RpcError) as caught:
            client.predict(inputs, **options)
        assert caught.value.code() is code and caught.value.details(), (code, options)
    for request in (GetModelMetadataRequest(), GetModelMetadataRequest(metadata_field=["other"])):
        request.model_spec.name = "colours"
        with pytest.raises(grpc.RpcError) as caught:
            client.prediction.GetModelMetadata(request, timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_is_no_picture_is_said_in_words(client, pictures_bytes):
    for content, said in (
        (b"garbage", "not a JPEG, PNG, GIF, BMP or WebP: it starts with b'garbage'"),
        (pictures_bytes[0][:100], "a JPEG file that cannot be decoded"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            client.predict({"image_bytes": [pictures_bytes[0], content]})
        details = caught.value.details()
        assert said in details and "image_bytes[1]" in details and "{{node" not in details and len(details) < 300


def test_many_clients_at_once_get_each_their_own_answer(client, graph, pictures_bytes):
    numbers = graph.signatures["serving_default"](image_bytes=tf.constant(pictures_bytes))["probabilities"].numpy()

    def ask(index: int) -> float:
        which = index % 4
        if which == 3:
            assert client.post({"instances": [packed(b"garbage")]}).status_code == 400
            return 0.0
        if index % 2:
            answer = client.predict({"image_bytes": [pictures_bytes[which]]}, outputs=["probabilities"])
            return np.abs(tf.make_ndarray(answer.outputs["probabilities"])[0] - numbers[which]).max()
        row = client.post({"instances": [packed(pictures_bytes[which])]}).json()["predictions"][0]
        return np.abs(row["probabilities"] - numbers[which]).max()

    with ThreadPoolExecutor(16) as threads:
        assert max(threads.map(ask, range(120))) <= 1e-5


@pytest.fixture(scope="module")
def ours(served_colours):
    with Server(served_colours, port=0, grpc_port=0) as server, connected(server) as client:
        yield client


def test_health_and_figures_for_prometheus(ours, pictures_bytes):
    assert ours.get("/health").json() == {"status": "ok", "model": "colours", "version": 1}
    ours.post({"instances": [packed(pictures_bytes[0])]})
    ours.post({"instances": [1]})
    text = ours.get("/monitoring/prometheus/metrics").text
    assert ':tensorflow:serving:request_count{model_name="colours",status="OK"} 1.0' in text
    assert ':tensorflow:serving:request_count{model_name="colours",status="INVALID_ARGUMENT"} 1.0' in text
    assert 'request_latency_count{API="predict",entrypoint="REST",model_name="colours"} 2.0' in text
    assert "processed_batch_size_count 1.0" in text and "keras_transfer_queue_depth 0.0" in text


def test_what_ours_does_not_do_is_said(ours):
    answer = ours.post({}, "/v1/models/colours:classify")
    assert answer.status_code == 501 and ":predict" in answer.json()["error"]
    for path in ("/v1/models/colours/labels/stable:predict", "/v1/models/colours/labels/stable/versions:predict"):
        assert ours.post({}, path).status_code == 400
    assert ours.get("/").status_code == 404, "the page is there only if it was asked for"
    assert ours.get("/docs").status_code == 404


def test_a_version_answers_its_own_warm_up_requests_and_with_a_wrong_one_it_is_not_served(served_colours, tmp_path):
    servable = Servable(served_colours / "1", 1)
    assert warm_up(servable, served_colours / "1") == len(servable.signatures) >= 5
    assert warm_up(servable, tmp_path) == 0
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"no records" * 10)
    with pytest.raises(tf.errors.DataLossError):
        warm_up(servable, tmp_path)
    wrong = PredictionLog()
    wrong.predict_log.request.model_spec.signature_name = "none"
    for record, message in ((b"no message", "not a PredictionLog"), (wrong.SerializeToString(), '"none" not found')):
        with tf.io.TFRecordWriter(str(tmp_path / FILE)) as writer:
            writer.write(record)
        with pytest.raises(Fault, match=message):
            warm_up(servable, tmp_path)


def test_a_version_comes_from_the_path_alone(ours, pictures_bytes):
    answer = ours.post({"instances": [packed(pictures_bytes[0])]}, "/v1/models/colours:predict?version=7")
    assert answer.status_code == 200 and ours.get("/v1/models/colours?version=abc").status_code == 200


class Odd(tf.Module):
    """Answers a scalar string, as models from elsewhere may."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def about(self, image_bytes):
        return {"about": tf.constant("a model from elsewhere")}


def test_a_scalar_string_is_answered(tmp_path):
    module = Odd()
    tf.saved_model.save(module, str(tmp_path / "odd" / "1"), signatures={"serving_default": module.about})
    with Server(tmp_path / "odd", port=0, grpc_port=0) as server, connected(server) as client:
        answer = client.post({"inputs": {"image_bytes": ["x"]}}, "/v1/models/odd:predict")
        assert answer.json() == {"outputs": "a model from elsewhere"}


def test_an_error_that_nobody_foresaw_is_logged(caplog):
    assert fault_of(RuntimeError("secret")).message == "The model could not be run (RuntimeError)."
    assert "secret" in caplog.text


def test_without_its_extra_the_server_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("keras_transfer.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(kt.InputError, match=r'needs fastapi.*pip install "keras-transfer\[serve\]"'):
        __import__("keras_transfer.server")
