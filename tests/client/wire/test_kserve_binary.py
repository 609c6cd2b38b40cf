"""What a client writes is what the server reads, and the other way round."""

import numpy as np
import pytest

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Array
from paddle_serving_client.wire import kserve_binary, kserve_json
from paddle_serving_client.wire.kserve import InferOutput, InferResponse
from paddle_serving_client.wire.kserve_json import HEADER_LENGTH

ARRAYS: list[Array] = [
    np.array([[np.nan, np.inf, -np.inf, -0.0]], np.float32),
    np.array([2**63 - 1, -(2**63)], np.int64),
    np.array([2**64 - 1], np.uint64),
    np.array([True, False]),
    np.zeros((0, 3), np.float64),
    np.arange(6, dtype=np.int16).reshape(2, 3).T,
    np.array([["ä".encode(), b"\xff\0"]], object),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_tensors_travel_as_their_bytes(array: Array) -> None:
    parts, length = kserve_binary.encode_request({"x": array}, ["y"])
    request = kserve_json.decode_request(b"".join(parts), length, "m")
    assert [output.name for output in request.outputs] == ["y"]
    (given,) = request.inputs
    told = kserve_json.encode_response(InferResponse(model="m", version="1", outputs=(InferOutput("y", array, True),)))
    found = kserve_binary.decode_response(told.body, {HEADER_LENGTH: str(told.header_length)})
    for came in (given.array, found["y"]):
        assert (came.dtype, came.shape) == (array.dtype, array.shape)
        assert came.tobytes() == array.tobytes() if array.dtype != object else came.tolist() == array.tolist()


def test_what_is_no_such_answer() -> None:
    good = kserve_json.encode_response(
        InferResponse(model="m", version="1", outputs=(InferOutput("y", np.zeros(2, np.float32), True),))
    )
    head = {HEADER_LENGTH: str(good.header_length)}
    for body, headers in [
        (good.body[:-1], head), (good.body + b"x", head), (good.body, {}), (b"{}", {}), (b"", head),
        (b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1]}]}', {}),
        (good.body.replace(b"[2]", b"[9]"), head), (good.body.replace(b"FP32", b"FP99"), head),
    ]:  # fmt: skip
        with pytest.raises(BadPacket):
            kserve_binary.decode_response(body, headers)


def test_a_type_that_the_protocol_does_not_have() -> None:
    assert dtype.ELEM_TYPES[10].kserve == ""
    with pytest.raises(BadInput, match="complex64 has no datatype"):
        kserve_binary.encode_request({"x": np.zeros(1, np.complex64)}, [])
