"""JSON to tensors and back: TF Serving's rules, value by value."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_transfer.server.faults import Fault
from keras_transfer.server.payloads import read_question, write_answer
from keras_transfer.server.protos import read_proto, write_proto
from keras_transfer.server.tensors import to_array, to_json

BYTES = {"image_bytes": tf.TensorSpec((None,), tf.string)}
TWO = {**BYTES, "class_ids": tf.TensorSpec((None,), tf.int64)}


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1, tf.float32, 1.0),
        ([1, 2.5, 1e-30], tf.float32, [1, 2.5, 1e-30]),
        ([[[0, 255]], [[7, 8]]], tf.uint8, [[[0, 255]], [[7, 8]]]),
        ([-1, 2**63 - 1], tf.int64, [-1, 2**63 - 1]),
        ([True, False], tf.bool, [True, False]),
        ([2**24 - 1], tf.float32, [2**24 - 1]),
        ([1e300], tf.float64, [1e300]),
        ([], tf.float32, []),
        ([[], []], tf.float32, [[], []]),
        ({"b64": "/9j/"}, tf.string, b"\xff\xd8\xff"),
        (["ü", {"b64": "aGk"}, {"b64": "aGk=\n"}], tf.string, ["ü".encode(), b"hi", b"hi"]),
    ],
)
def test_values_become_what_they_say(value, dtype, expected):
    array = to_array(value, "x", dtype)
    assert array.tolist() == np.array(expected, array.dtype).tolist()
    assert array.dtype == (object if dtype == tf.string else dtype.as_numpy_dtype)


def test_special_numbers_pass_in_both_directions():
    values = json.loads('{"instances": [NaN, Infinity, -Infinity]}')["instances"]
    array = to_array(values, "x", tf.float32)
    assert np.isnan(array[0]) and array[1] == np.inf and array[2] == -np.inf
    assert json.dumps(to_json(array, "y")) == "[NaN, Infinity, -Infinity]"


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([1.0], tf.int64),
        ([True], tf.int64),
        ([True], tf.float32),
        ([1], tf.bool),
        (["1"], tf.float32),
        ([None], tf.float32),
        ([1], tf.string),
        ([256], tf.uint8),
        ([-1], tf.uint8),
        ([2**63], tf.int64),
        ([2**24 + 1], tf.float32),
        ([1e39], tf.float32),
        ([10**400], tf.float32),
        ([[1, 2], [3]], tf.float32),
        ([[1, 2], 3], tf.float32),
        ([1, [2]], tf.float32),
        ([{"b64": "a"}], tf.string),
        ([{"b64": "!!!!"}], tf.string),
        ([{"b64": 1}], tf.string),
        ([{"b64": "aGk=", "more": 1}], tf.string),
        ([1], tf.complex64),
    ],
)
def test_values_of_another_type_or_shape_are_refused(value, dtype):
    with pytest.raises(Fault) as caught:
        to_array(value, "x", dtype)
    assert caught.value.http_status in (400, 501) and "'x'" in caught.value.message


def test_floats_are_written_with_the_fewest_digits_that_mean_the_same_number():
    rng = np.random.default_rng(0)
    values = (rng.normal(size=500) * 10.0 ** rng.integers(-30, 30, 500)).astype(np.float32)
    written = json.dumps(to_json(values, "x"))
    assert np.array_equal(np.array(json.loads(written), np.float32), values)
    assert json.dumps(to_json(np.float32([0.1, 3, 1e20]), "x")) == "[0.1, 3.0, 1e+20]"


def test_strings_are_text_except_for_outputs_named_bytes():
    values = np.array([["red"], ["ü".encode()]], dtype=object)
    values[0, 0] = b"red"
    assert to_json(values, "class_names") == [["red"], ["ü"]]
    assert to_json(values, "image_bytes") == [[{"b64": "cmVk"}], [{"b64": "w7w="}]]


def test_rows_and_columns_ask_the_same():
    rows = read_question(b'{"instances": [{"image_bytes": "a", "class_ids": 1}, {"image_bytes": "b", "class_ids": 2}]}')
    columns = read_question(
        b'{"inputs": {"image_bytes": ["a", "b"], "class_ids": [1, 2]}, "signature_name": "explain"}'
    )
    assert rows.signature_name == "serving_default" and columns.signature_name == "explain"
    for question in (rows, columns):
        inputs = question.inputs(TWO)
        assert inputs["image_bytes"].tolist() == [b"a", b"b"] and inputs["class_ids"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "body",
    [b'{"instances": ["a", {"b64": "Yg=="}]}', b'{"inputs": ["a", "b"]}', b'{"inputs": {"image_bytes": ["a", "b"]}}'],
)
def test_a_single_input_needs_no_name(body):
    assert read_question(body).inputs(BYTES)["image_bytes"].tolist() == [b"a", b"b"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": ["a"]}',
        b'{"instances": [{"image_bytes": "a"}]}',
        b'{"instances": [{"image_bytes": "a", "class_ids": 1, "more": 2}]}',
        b'{"instances": [{"image_bytes": "a", "class_ids": 1}, "b"]}',
        b'{"inputs": ["a"]}',
        b'{"inputs": {"image_bytes": ["a"]}}',
    ],
)
def test_several_inputs_need_all_their_names(body):
    with pytest.raises(Fault, match=r"expecting|Expecting|keys must be equal|Missing named input"):
        read_question(body).inputs(TWO)


def test_one_output_alone_has_no_name():
    outputs = {"features": np.float32([[1, 2], [3, 4]])}
    assert json.loads(write_answer(outputs, rows=True)) == {"predictions": [[1, 2], [3, 4]]}
    assert json.loads(write_answer(outputs, rows=False)) == {"outputs": [[1, 2], [3, 4]]}
    with pytest.raises(Fault, match="inconsistent batch sizes"):
        write_answer({"a": np.zeros(2), "b": np.zeros(3)}, rows=True)
    assert json.loads(write_answer({"a": np.zeros(()), "b": np.zeros(1)}, rows=False))["outputs"] == {"a": 0, "b": [0]}


@pytest.mark.parametrize(
    "array", [np.float32([[1, 2]]), np.array([b"a", b"\xff"], object), np.uint8(7), np.zeros((0, 3))]
)
def test_protos_hold_the_same_arrays(array):
    array = np.asarray(array)
    again = read_proto(write_proto(array), "x", 1000)
    assert again.tolist() == array.tolist() and again.shape == array.shape


def test_a_small_proto_that_announces_a_large_tensor_is_refused():
    bomb = tf.make_tensor_proto(0.0, tf.float32, (1000, 1000, 1000))
    with pytest.raises(Fault, match="more than 1000000 bytes"):
        read_proto(bomb, "images", 1_000_000)
    damaged = tf.make_tensor_proto([1.0, 2.0])
    damaged.tensor_content = b"123"
    with pytest.raises(Fault, match="tensor parsing error"):
        read_proto(damaged, "images", 1_000_000)
    with pytest.raises(Fault, match="not known"):
        read_proto(type(bomb)(dtype=1, tensor_shape={"unknown_rank": True}), "images", 1000)
