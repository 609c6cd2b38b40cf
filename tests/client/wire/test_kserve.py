"""KServe v2 on the wire: tensors round trip, and whatever comes is read or refused with words, and nothing else."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.errors import BadInput, BadPacket, ServingError, TooLarge
from paddle_serving_client.wire import (
    kserve,
    kserve_about,
    kserve_about_protobuf,
    kserve_json,
    kserve_protobuf,
    protobuf,
)
from paddle_serving_client.wire.kserve import InferOutput, InferResponse
from paddle_serving_client.wire.kserve_about import ModelAbout, TensorAbout

KINDS = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
ARRAYS = st.sampled_from(KINDS).flatmap(lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(max_side=4)))
DATATYPES = frozenset(row.kserve for row in dtype.ELEM_TYPES.values() if row.kserve)
STRINGS = st.lists(st.binary(max_size=5), min_size=1, max_size=6).map(
    lambda strings: byte_strings.array_of(strings, (len(strings),))
)


def refused(what: str, call: Any) -> str:
    with pytest.raises(ServingError, match=what) as caught:
        call()
    return str(caught.value)


@given(ARRAYS | STRINGS)
def test_bytes_of_a_tensor_round_trip(array: Any) -> None:
    datatype = kserve.datatype_of_array(array)
    read = kserve.unpack("x", datatype, array.shape, memoryview(bytes(kserve.pack(array))), "m")
    assert (read.shape, read.dtype) == (array.shape, array.dtype)
    assert not read.flags.writeable
    np.testing.assert_array_equal(read, array)


@given(ARRAYS, st.booleans())
def test_a_request_in_json_says_what_its_bytes_say(array: Any, nested: bool) -> None:
    datatype = kserve.datatype_of_array(array)
    raw = bytes(kserve.pack(array))
    head = {"name": "x", "shape": array.shape, "datatype": datatype}
    as_bytes = json.dumps({"inputs": [{**head, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    by_bytes = kserve_json.decode_request(as_bytes + raw, len(as_bytes), "m").inputs[0].array
    np.testing.assert_array_equal(by_bytes, array)
    data = array.tolist() if nested else array.reshape(-1).tolist()
    as_json = json.dumps({"inputs": [{**head, "data": data}]}).encode()
    if datatype == "FP16":
        refused("receiving FP16 data via JSON is not supported", lambda: kserve_json.decode_request(as_json, None, "m"))
        return
    np.testing.assert_array_equal(kserve_json.decode_request(as_json, None, "m").inputs[0].array, array)


@given(ARRAYS | STRINGS, st.booleans())
def test_a_response_in_json_can_be_read(array: Any, is_binary: bool) -> None:
    response = InferResponse(model="m", version="1", outputs=(InferOutput("y", array, is_binary),))
    if array.dtype == np.float16 and not is_binary:
        refused("sending FP16 data via JSON", lambda: kserve_json.encode_response(response))
        return
    told = kserve_json.encode_response(response)
    head = json.loads(told.body[: told.header_length])
    (output,) = head["outputs"]
    if is_binary:
        assert told.header_length is not None
        assert told.body[told.header_length :] == bytes(kserve.pack(array))
        assert output["parameters"] == {"binary_data_size": len(told.body) - told.header_length}
    elif array.dtype.kind != "O":
        np.testing.assert_array_equal(np.array(output["data"], array.dtype).reshape(output["shape"]), array)


@given(st.binary(max_size=300), st.none() | st.integers(0, 300))
def test_any_bytes_are_read_or_refused_as_json(body: bytes, length: int | None) -> None:
    try:
        kserve_json.decode_request(body, length, "m")
    except ServingError as exc:
        assert str(exc)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=8))
def test_any_value_of_a_field_is_read_or_refused(value: Any) -> None:
    good = {"name": "x", "shape": [1], "datatype": "INT32", "data": [1], "parameters": {}}
    for key in good:
        body = {"inputs": [{**good, key: value}], "outputs": [{"name": "y", "parameters": {"classification": value}}]}
        try:
            kserve_json.decode_request(json.dumps(body).encode(), None, "m")
        except ServingError as exc:
            assert str(exc)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_as_protobuf(message: bytes) -> None:
    for message_too in (message, b"".join(protobuf.bytes_field(5, message))):
        try:
            kserve_protobuf.decode_request(kserve_protobuf.decode_name(message_too))
        except ServingError as exc:
            assert str(exc)


def test_nothing_is_allocated_for_what_did_not_come() -> None:
    huge = [1 << 20, 1 << 20]
    head = {"name": "x", "shape": huge, "datatype": "BYTES", "parameters": {"binary_data_size": 4}}
    body = json.dumps({"inputs": [head]}).encode()
    with pytest.raises(TooLarge):
        kserve_json.decode_request(body + bytes(4), len(body), "m")
    with pytest.raises(BadInput, match="expected 1000000 string elements"):
        kserve.unpack("x", "BYTES", [1_000_000], memoryview(bytes(8)), "m")
    with pytest.raises(BadInput, match="expected 2 string elements .* got 1"):
        kserve.unpack("x", "BYTES", [2], memoryview(b"\x02\0\0\0ab\xff\xff\xff\xff"), "m")


def test_deep_json_and_json_with_bare_words() -> None:
    deep = b'{"inputs":[{"name":"x","shape":[1],"datatype":"INT32","data":' + b"[" * 500 + b"7" + b"]" * 500 + b"}]}"
    assert kserve_json.decode_request(deep, None, "m").inputs[0].array.tolist() == [7]
    bare = b'{"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[NaN,-Infinity]}]}'
    assert np.isnan(kserve_json.decode_request(bare, None, "m").inputs[0].array[0])
    with pytest.raises(BadPacket, match="failed to parse"):
        kserve_json.decode_request(b'{"NaN": ', None, "m")


@pytest.mark.parametrize(
    ("array", "classes", "has_rows", "texts"),
    [
        (np.array([[1, 3, 2], [9, 8, 7]], np.int32), 2, True, [["3:1", "2:2"], ["9:0", "8:1"]]),
        (np.array([[0.5, 0.25]], np.float32), 5, True, [["0.500000:0", "0.250000:1"]]),
        (np.array([2.0, 2.0, np.nan]), 3, False, ["2.000000:0", "2.000000:1", "nan:2"]),
        (np.array([[1, 2], [4, 3]], np.int64), 1, False, ["4:2"]),
    ],
)
def test_the_largest_values_as_texts(array: Any, classes: int, has_rows: bool, texts: list[Any]) -> None:
    found = kserve.classified(array, classes, has_rows)
    assert np.vectorize(bytes.decode, otypes=[object])(found).tolist() == texts


def test_parameters_of_every_type_are_read() -> None:
    def entry(key: bytes, *value: Any) -> list[Any]:
        return protobuf.bytes_field(4, *protobuf.bytes_field(1, key), *protobuf.bytes_field(2, *value))

    parts = [
        *entry(b"b", b"\x08\x01"),
        *entry(b"i", protobuf.number_field(2, -3)),
        *entry(b"s", b"\x1a\x02ok"),
        *entry(b"d", b"\x21" + np.float64(0.5).tobytes()),
        *entry(b"u", protobuf.number_field(5, 1 << 63)),
    ]
    read = kserve_protobuf.decode_request(kserve_protobuf.decode_name(b"".join(parts)))
    assert read.parameters == {"b": True, "i": -3, "s": "ok", "d": 0.5, "u": 1 << 63}
    for key, value, words in (
        (b"triton_x", b"\x08\x01", "reserved"),
        (b"timeout", b"\x1a\x01x", "expected int64_param"),
    ):
        message = kserve_protobuf.decode_name(b"".join(entry(key, value)))
        refused(words, lambda message=message: kserve_protobuf.decode_request(message))


def test_a_config_leaves_the_batch_axis_out_where_rows_are_batched() -> None:
    tensor = TensorAbout("x", "FP32", (-1, 4))
    about = ModelAbout(name="m", version="1", platform="p", backend="b", inputs=(tensor,), outputs=(tensor,))
    assert kserve_about.config_json(about)["input"][0]["dims"] == (-1, 4)
    batched = ModelAbout(
        name="m", version="1", platform="p", backend="b", inputs=(tensor,), outputs=(tensor,), max_batch_size=8
    )
    said = kserve_about.config_json(batched)
    assert (said["max_batch_size"], said["input"][0]["dims"], said["output"][0]["dims"]) == (8, (4,), (4,))
    assert kserve_about.metadata_json(batched, ["1"])["inputs"][0]["shape"] == (-1, 4)
    assert kserve_about_protobuf.encode_config(batched) != kserve_about_protobuf.encode_config(about)


def test_every_datatype_of_the_protocol_has_a_number_and_a_row_or_a_refusal() -> None:
    assert set(kserve_about.TYPES) - {"INVALID"} == DATATYPES
    for datatype in DATATYPES - {"BYTES"}:
        try:
            kserve.numpy_of(datatype, "x")
        except BadInput as exc:
            assert datatype in str(exc)
