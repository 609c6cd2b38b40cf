import base64
import contextlib
import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadDType, BadInput, BadPacket, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_client.wire import general_model, general_model_json, tensors
from paddle_serving_client.wire.tensors import ModelOutput, WireRequest, WireResponse, WireTensor, string_tensor
from tests.client import captured
from tests.element_arrays import any_arrays

ARRAYS = any_arrays(tuple(code for code in dtype.ELEM_TYPES if code != dtype.STRING))


def tensor_json(**fields: object) -> bytes:
    return orjson.dumps({"tensor": [{"name": "x", **fields}]})


def read_tensor(**fields: object) -> WireTensor:
    (tensor,) = general_model_json.request_from_json(tensor_json(**fields)).tensors
    return tensor


def reply(*tensors: WireTensor, **fields: Any) -> WireResponse:
    return WireResponse(outputs=(ModelOutput(tensors=tensors, engine_name="GeneralInferOp_0"),), **fields)


# --- what the real HttpClient sent ---


@pytest.mark.parametrize(("name", "array", "fetch", "log_id", "lod"), [
    ("uci", general_model.decode_request(captured.payload("req_uci_batch")).tensors[0].array, "price", 5, ()),
    ("lod", np.array([[11], [12], [13]]), "crf", 0, ((0, 3),)),
    ("string", np.array([b"abc"], object), "o1", 0, ()),
])  # fmt: skip
def test_captured_body(name: str, array: Array, fetch: str, log_id: int, lod: object) -> None:
    body = captured.http_body(f"http_json_{name}")
    wire = general_model_json.request_from_json(body)
    assert (wire.fetch, wire.log_id, wire.profile_server) == ((fetch,), log_id, False)
    np.testing.assert_array_equal(wire.tensors[0].array, array, strict=True)
    assert wire.tensors[0].lod == lod
    assert not wire.tensors[0].array.flags.writeable
    assert json.loads(general_model_json.request_to_json(wire)) == json.loads(body)


def test_reply_as_the_old_server_writes_it() -> None:
    """Defaults are left out, so `elem_type` of int64; float32 has the digits of a double."""
    price = WireTensor(name="fc_0.tmp_1", alias="price", array=np.array([[18.901152]], np.float32))
    count = WireTensor(name="n", array=np.array([3, -4]))
    body = general_model_json.response_to_json(reply(price, count, profile_time=(1000000, 1000050)))
    assert json.loads(body) == {
        "outputs": [
            {
                "tensor": [
                    {
                        "float_data": [18.901151657104492],
                        "elem_type": 1,
                        "shape": [1, 1],
                        "name": "fc_0.tmp_1",
                        "alias_name": "price",
                    },
                    {"int64_data": [3, -4], "shape": [2], "name": "n"},
                ],
                "engine_name": "GeneralInferOp_0",
            }
        ],
        "profile_time": [1000000, 1000050],
    }
    assert general_model_json.response_to_json(WireResponse()) == b"{}"


# --- there and back ---


def assert_equal(found: Array, expected: Array) -> None:
    """The same, NaN included; those of bfloat16 numpy only compares as another type."""
    assert found.dtype == expected.dtype
    if expected.dtype == dtype.BFLOAT16:
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_array_equal(found, expected, strict=True)


@settings(max_examples=300)
@given(ARRAYS)
def test_arrays_there_and_back(array: Array) -> None:
    tensor = WireTensor(name="x", alias="a", array=array, lod=((0, 1), (0, 2)))
    body = general_model_json.request_to_json(WireRequest(tensors=(tensor,), fetch=("y",), log_id=2**64 - 1))
    json.loads(body, parse_constant=pytest.fail)
    back = general_model_json.request_from_json(body)
    assert (back.fetch, back.log_id, back.tensors[0].lod) == (("y",), 2**64 - 1, ((0, 1), (0, 2)))
    assert_equal(back.tensors[0].array, array)


@given(ARRAYS)
def test_replies_there_and_back(array: Array) -> None:
    wire = reply(WireTensor(name="x", array=array), profile_time=(-1, 2**62), err_no=-5, err_msg="ä", log_id=7)
    back = general_model_json.response_from_json(general_model_json.response_to_json(wire))
    assert_equal(back.outputs[0].tensors[0].array, array)
    assert back.outputs[0].engine_name == "GeneralInferOp_0"
    assert (back.profile_time, back.err_no, back.err_msg, back.log_id) == ((-1, 2**62), -5, "ä", 7)


def test_strings_there_and_back() -> None:
    wire = WireRequest(tensors=(string_tensor("s", ("ä\0b".encode(), b"")),))
    back = general_model_json.request_from_json(general_model_json.request_to_json(wire))
    assert back.tensors[0].strings == ("ä\0b".encode(), b"")
    with pytest.raises(BadInput, match="tensor 's': JSON has no place for bytes that are not UTF-8"):
        general_model_json.request_to_json(WireRequest(tensors=(string_tensor("s", (b"\xff",)),)))
    in_base64 = read_tensor(elem_type=20, shape=[2, 1], data=["a", {"b64": "/w=="}])
    assert in_base64.array.tolist() == [[b"a"], [b"\xff"]]


def test_numbers_that_json_does_not_have_are_text() -> None:
    body = general_model_json.response_to_json(
        reply(WireTensor(name="x", array=np.array([1, np.nan, np.inf, -np.inf])))
    )
    assert json.loads(body)["outputs"][0]["tensor"][0]["float64_data"] == [1, "NaN", "Infinity", "-Infinity"]


def test_a_signalling_nan_is_written_without_a_warning() -> None:
    array = np.array([0x7F800001], np.uint32).view(np.float32)
    body = general_model_json.response_to_json(reply(WireTensor(name="x", array=array)))
    assert json.loads(body)["outputs"][0]["tensor"][0]["float_data"] == ["NaN"]


# --- what may be written in other ways ---


def test_lenient_spellings() -> None:
    assert read_tensor(int64_data=["12", 3, "-4"], shape=["3"]).array.tolist() == [12, 3, -4]
    assert read_tensor(int64_data=[str(-(2**63)), 2**63 - 1], shape=[2]).array.tolist() == [-(2**63), 2**63 - 1]
    floats = read_tensor(float_data=[1, "NaN", "Infinity", "-Infinity", 2**60], shape=[5], elem_type=1).array
    assert floats[[0, 2, 3, 4]].tolist() == [1, math.inf, -math.inf, 2.0**60]
    assert np.isnan(floats[1])
    content = base64.b64encode(b"\x01\x02\xfa\xff").decode()
    assert read_tensor(tensor_content=content, shape=[4], elem_type=7).array.tolist() == [1, 2, 250, 255]
    assert read_tensor(bool_data=[True, False], shape=[2], elem_type=9).array.tolist() == [True, False]
    assert read_tensor(complex64_data=[1, 2, 3, 4], shape=[2], elem_type=10).array.tolist() == [1 + 2j, 3 + 4j]


def test_unknown_keys_and_null_are_absent() -> None:
    assert read_tensor(int64_data=[1], shape=[1], float_data=None, lod=None, color={"a": [[]]}).array.tolist() == [1]
    everything = {"tensor": None, "fetch_var_names": None, "profile_server": None, "log_id": None, "more": 1}
    assert general_model_json.request_from_json(orjson.dumps(everything)) == WireRequest()
    assert general_model_json.request_from_json(b"") == WireRequest()
    assert general_model_json.request_from_json(memoryview(b"{}")) == WireRequest()
    assert general_model_json.response_from_json(b'{"err_msg":null,"outputs":[{"engine_name":null}]}').err_msg == ""


# --- what is refused ---


@pytest.mark.parametrize(("body", "problem"), [
    (b"{", "not JSON: .*line 1 column 2"),
    (b'{"a":1,}', "not JSON"),
    (b"\xef\xbb\xbf{}", "not JSON"),
    (b"{}{}", "not JSON"),
    (b'{"log_id":NaN}', "not JSON"),
    (b'{"log_id":1e999}', "not JSON"),
    (b'{"a":"\\ud800"}', "not JSON"),
    (b'{"a":"\xff"}', "not JSON"),
    (b'{"a":' + b"[" * 2000, "not JSON"),
    (b"[]", "must be an object, got an array"),
    (b"null", "must be an object, got null"),
    (b'"text"', "must be an object, got the text 'text'"),
    (b'{"tensor":{}}', "tensor must be an array, got an object"),
    (b'{"tensor":[1]}', "tensor must be an object, got 1"),
    (b'{"tensor":[null]}', "tensor must be an object, got null"),
    (b'{"fetch_var_names":"y"}', "fetch_var_names must be an array, got the text 'y'"),
    (b'{"fetch_var_names":[1]}', "fetch_var_names must be text, got 1"),
    (b'{"profile_server":1}', "profile_server must be true or false, got 1"),
    (b'{"log_id":-1}', "log_id must be a whole number from 0 to 18446744073709551615, got -1"),
    (b'{"log_id":18446744073709551616}', "log_id must be a whole number"),
    (b'{"log_id":1.5}', "log_id must be a whole number"),
    (b'{"log_id":true}', "log_id must be a whole number .*, got true"),
    (b'{"log_id":"1x"}', "log_id must be a whole number"),
    (b'{"tensor":[{"name":1}]}', "name must be text, got 1"),
    (b'{"tensor":[{"name":"x","elem_type":"float32"}]}', "elem_type must be a whole number"),
])  # fmt: skip
def test_bodies_that_are_no_request(body: bytes, problem: str) -> None:
    with pytest.raises(BadPacket, match=problem):
        general_model_json.request_from_json(body)


@pytest.mark.parametrize(("fields", "problem"), [
    ({"int64_data": [1, 2], "shape": [3]}, r"tensor 'x': shape \[3\] is 3 elements, but int64_data has 2"),
    ({"int64_data": [1], "shape": [-1]}, "negative dimension"),
    ({"int64_data": [2**63], "shape": [1]}, "int64_data has a number that does not fit in int64"),
    ({"int64_data": [2.5], "shape": [1]}, r"int64_data\[0\] must be a whole number of at most 64 bits, got 2.5"),
    ({"int64_data": [1, True], "shape": [2]}, r"int64_data\[1\] must be a whole number .*, got true"),
    ({"int64_data": [1, "1.5"], "shape": [2]}, r"int64_data\[1\] must be a whole number .*, got the text '1.5'"),
    ({"int64_data": [[1]], "shape": [1, 1]}, r"int64_data\[0\] must be a whole number .*, got an array"),
    ({"int64_data": ["9" * 5000], "shape": [1]}, r"int64_data\[0\] must be a whole number"),
    ({"int64_data": [None], "shape": [1]}, r"int64_data\[0\] must be a whole number .*, got null"),
    ({"int_data": [2**31], "shape": [1], "elem_type": 2}, "2147483648 in int_data does not fit in int32"),
    ({"int_data": [2**15], "shape": [1], "elem_type": 4}, "32768 in int_data does not fit in int16"),
    ({"float_data": [1, True], "shape": [2], "elem_type": 1}, r"float_data\[1\] must be float, got true"),
    ({"float_data": [1, "x"], "shape": [2], "elem_type": 1}, r"float_data\[1\] must be float, got the text 'x'"),
    ({"float_data": [[1], [2, 3]], "shape": [3], "elem_type": 1}, r"float_data\[0\] must be float, got an array"),
    ({"float_data": [1e300], "shape": [1], "elem_type": 1}, r"float_data\[0\] = 1e\+300 does not fit in float32"),
    ({"float_data": [1], "shape": [1]}, "int64 values go in int64_data, but float_data came"),
    ({"bool_data": [1], "shape": [1], "elem_type": 9}, r"bool_data\[0\] must be bool, got 1"),
    ({"complex64_data": [1], "shape": [1], "elem_type": 10}, "not pairs"),
    ({"data": [1], "elem_type": 20}, "data must be text, got 1"),
    ({"data": [{"b64": "="}], "elem_type": 20}, "not base64"),
    ({"data": [{"b65": "="}], "elem_type": 20}, "must be text or"),
    ({"data": [], "elem_type": 20}, "without a string in data"),
    ({"tensor_content": "a-_=", "shape": [1], "elem_type": 7}, "tensor_content is not base64"),
    ({"tensor_content": "AAA", "shape": [1], "elem_type": 7}, "tensor_content is not base64"),
    ({"tensor_content": "ä", "shape": [1], "elem_type": 7}, "tensor_content is not base64"),
    ({"tensor_content": [1], "shape": [1], "elem_type": 7}, "must be base64 text, got an array"),
    ({"tensor_content": "AAAA", "shape": [1], "elem_type": 5}, "3 bytes, not a multiple of 2"),
    ({"int64_data": [1], "shape": [1], "lod": [1]}, "lod must start with 0"),
    ({"int64_data": [1], "shape": [1], "name": ""}, "neither name nor alias_name"),
])  # fmt: skip
def test_tensors_that_cannot_be(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        read_tensor(**fields)


def test_values_must_be_an_array() -> None:
    with pytest.raises(BadPacket, match="float_data must be an array, got 1"):
        read_tensor(float_data=1, shape=[1], elem_type=1)


@pytest.mark.parametrize("elem_type", [12, 24, 99, -1])
def test_types_that_cannot_be_served(elem_type: int) -> None:
    with pytest.raises(BadDType, match=f"elem_type {elem_type} "):
        read_tensor(elem_type=elem_type, shape=[1])


@pytest.mark.parametrize(("body", "problem"), [
    (orjson.dumps({"tensor": [{"name": "x"}] * 65}), "tensor: 65, at most 64"),
    (orjson.dumps({"fetch_var_names": ["y"] * 65}), "fetch_var_names: 65, at most 64"),
    (tensor_json(shape=[1] * 17), "shape: 17, at most 16"),
    (tensor_json(shape=[1 << 16, 1 << 16]), "over 268435456 elements"),
    (tensor_json(name="n" * 1025), "characters of name: 1025"),
    (b"[" + b"0," * 4_194_305, "values and keys in the JSON body: 4194305, at most 4194304"),
    (b'{"a":[' + b"[]," * (1 << 17) + b"[]]}", "arrays and objects in the JSON body"),
    (b'{"a":[' + b"0," * (1 << 20) + b"null]}", "values and keys in the JSON body: 1048577, at most 1048576"),
])  # fmt: skip
def test_too_much(body: bytes, problem: str) -> None:
    with pytest.raises(TooLarge, match=problem):
        general_model_json.request_from_json(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5) | st.sampled_from(["NaN", "AAAA", "1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "shape"]), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip
TENSOR_KEYS = ["name", "alias_name", "elem_type", "shape", "lod", *sorted(tensors.CARRIERS)]


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from(TENSOR_KEYS), JSON_VALUES), st.integers(-1, 24), JSON_VALUES)
def test_any_values_raise_nothing_undeclared(tensor: dict[str, object], elem_type: int, value: object) -> None:
    row = dtype.ELEM_TYPES.get(elem_type, dtype.ELEM_TYPES[0])
    likely = {"name": "x", "elem_type": elem_type, "shape": [1], row.carrier: [value]}
    for whole in ({"tensor": [tensor]}, {"tensor": [likely | tensor]}, {"tensor": value, "log_id": value}, value):
        body = orjson.dumps(whole)
        with contextlib.suppress(BadPacket, BadInput):
            general_model_json.request_from_json(body)
        with contextlib.suppress(BadPacket, BadInput):
            general_model_json.response_from_json(b'{"outputs":[' + body + b"]}")


@given(st.binary(max_size=30))
def test_any_bytes_raise_nothing_undeclared(raw: bytes) -> None:
    for body in (raw, b'{"tensor":[{"name":"x",' + raw + b"}]}"):
        with contextlib.suppress(BadPacket, BadInput):
            general_model_json.request_from_json(body)
