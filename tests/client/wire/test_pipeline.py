"""PipelineService on the wire: against the protobuf runtime, both ways, and what no honest client sends."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddle_serving_client.errors import BadPacket, ServingError, TooLarge
from paddle_serving_client.message import Response
from paddle_serving_client.wire import pipeline, pipeline_json
from paddle_serving_client.wire.pipeline import PipelineRequest, PipelineResponse
from paddle_serving_client.wire.pipeline_tensors import PipelineTensor, tensor_of
from paddle_serving_client.wire.proto import pipeline_service_pb2 as pb2

TYPES = ("int64", "float32", "int32", "float64", "int16", "float16", "uint8", "int8", "bool")
ARRAYS = hnp.arrays(st.sampled_from(TYPES), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


def npy(value: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value)
    return stream.getvalue()


@given(ARRAYS, st.booleans())
def test_an_array_comes_back_as_it_was(array: Any, as_npy: bool) -> None:
    request = PipelineRequest(key=("k",), value=("v",), tensors=(tensor_of("x", array, as_npy),), log_id=-5)
    raw = pipeline.encode_request(request)
    for read in (pipeline.decode_request(raw), pipeline_json.request_from_json(as_json(raw))):
        came = read.feed()["x"]
        assert isinstance(came, np.ndarray)
        assert (came.dtype, came.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(came, array)
        assert (read.feed()["k"], read.log_id) == ("v", -5)


def as_json(raw: bytes) -> bytes:
    """As the protobuf runtime writes it."""
    return json_format.MessageToJson(pb2.Request.FromString(raw)).encode()


def test_our_bytes_are_those_of_the_protobuf_runtime() -> None:
    tensors = (tensor_of("x", np.array([[1, -2]], np.int32)), tensor_of("s", "text"))
    request = PipelineRequest(
        key=("a",), value=("b",), tensors=tensors, name="n", method="m", log_id=7, client_ip="1.2.3.4"
    )
    message = pb2.Request(key=["a"], value=["b"], name="n", method="m", logid=7, clientip="1.2.3.4")
    message.tensors.add(name="x", elem_type=2, shape=[1, 2], int_data=[1, -2])
    message.tensors.add(name="s", elem_type=12, shape=[1], str_data=["text"])
    assert pipeline.encode_request(request) == message.SerializeToString()
    response = PipelineResponse(err_no=5, err_msg="e", key=("k",), value=("v",), tensors=tensors)
    answer = pb2.Response(err_no=5, err_msg="e", key=["k"], value=["v"], tensors=message.tensors)
    assert pipeline.encode_response(response) == answer.SerializeToString()
    said = json_format.MessageToDict(
        answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert json.loads(pipeline_json.response_to_json(response)) == said
    assert pipeline.decode_response(answer.SerializeToString()).value == ("v",)


def test_offsets_come_beside_their_array() -> None:
    tensor = PipelineTensor(name="w", shape=(3,), lod=(0, 2, 3), numbers={"int64_data": np.arange(3)})
    assert PipelineRequest(tensors=(tensor,)).feed()["w.lod"].tolist() == [0, 2, 3]  # type: ignore[union-attr]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (npy(np.array([Evil()], dtype=object)), "objects never"),
        (b"", "numpy.save"),
        (b"\x93NUMPY\x01\x00\xff\xff{", "numpy.save"),
        (b"\x93NUMPY\x01\x00\x0e\x00{'descr': (((\n", "numpy.save"),
        (npy(np.arange(4))[:-1], "32 bytes; 31 are there"),
        (npy(np.arange(4)).replace(b"(4,)", b"(9,)"), "72 bytes; 32 are there"),
        (npy(np.zeros(2, [("a", "i4")])), "numpy.save"),
        (npy(np.array(["a"]))[:-4] + b"\xff" * 4, "not Unicode"),
    ],
)
def test_a_numpy_stream_is_never_trusted(data: bytes, words: str) -> None:
    tensor = PipelineTensor(name="x", elem_type=13, packed=data)
    with pytest.raises(BadPacket, match="'x'") as caught:
        PipelineRequest(tensors=(tensor,)).feed()
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({"elem_type": 7, "shape": [1], "uint32_data": [300]}, "300 in uint32_data does not fit in uint8"),
        ({"elem_type": 1, "shape": [-1], "float_data": [1]}, "reshape"),
        ({"elem_type": 1, "shape": [2], "int64_data": [1, 2]}, "size 0"),
        ({"elem_type": 20, "shape": [1]}, "elem_type:20 error"),
        ({"elem_type": 1, "shape": [0, 2**31 - 1, 2**31 - 1, 2**31 - 1]}, "there can be no shape"),
    ],
)
def test_a_tensor_that_cannot_be_is_named(tensor: dict[str, Any], words: str) -> None:
    request = pipeline_json.request_from_json(json.dumps({"tensors": [{"name": "x", **tensor}]}).encode())
    with pytest.raises(BadPacket, match="rpc package error") as caught:
        request.feed()
    assert words in str(caught.value)
    assert "'x'" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"tensors":[1]}',
        b'{"tensors":[{"shape":[1.5]}]}',
        b'{"tensors":[{"float_data":["x"]}]}',
        b'{"tensors":[{"int_data":[3000000000]}]}',
        b'{"tensors":[{"bool_data":[1]}]}',
        b'{"tensors":[{"byte_data":"%"}]}',
        b'{"logid":1.5}',
        b'{"key":[null]}',
        b'{"tensors":' + json.dumps([{}] * 65).encode() + b"}",
    ],
)
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadPacket):
        pipeline_json.request_from_json(body)


def test_both_ways_to_write_a_field_are_read() -> None:
    body = {"tensors": [{"name": "x", "elemType": 13, "byteData": base64.b64encode(npy(np.arange(2))).decode()}]}
    feed = pipeline_json.request_from_json(json.dumps(body).encode()).feed()
    np.testing.assert_array_equal(feed["x"], np.arange(2))


def test_an_answer_has_no_sign_that_a_page_could_take_for_its_own() -> None:
    raw = pipeline_json.response_to_json(PipelineResponse(key=("<b>&",), value=("\ud800",)))
    assert raw == rb'{"err_no":0,"err_msg":"","key":["\u003cb\u003e\u0026"],"value":["?"],"tensors":[]}'


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(raw: bytes) -> None:
    try:
        pipeline.decode_request(raw).feed()
    except ServingError as exc:
        assert isinstance(exc, BadPacket | TooLarge)


def test_a_pipeline_is_given_an_instance_or_the_message_itself() -> None:
    tensor = PipelineTensor(name="x", elem_type=1, shape=(2,), numbers={"float_data": np.ones(2, np.float32)})
    message = PipelineRequest(key=("k",), value=("v",), tensors=(tensor,), log_id=7)
    request = message.as_request(5.0)
    (instance,) = request.instances
    assert (instance["k"], np.asarray(instance["x"]).tolist(), request.raw) == ("v", [1.0, 1.0], None)
    assert (request.log_id, request.deadline) == (7, 5.0)
    raw = message.as_request(5.0, is_raw=True)
    assert (raw.raw, raw.instances) == (pipeline.encode_request(message), ())


def test_an_answer_is_texts_or_the_message_itself() -> None:
    assert PipelineResponse.of(Response(result={"k": "v"})) == PipelineResponse(key=("k",), value=("v",))
    refusal = PipelineResponse.refusal(6000, "late")
    assert PipelineResponse.of(Response(raw=pipeline.encode_response(refusal))) == refusal
    assert PipelineResponse.of(Response()) is None
