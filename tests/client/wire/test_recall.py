"""What is recalled is what would have been read."""

import random
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array
from paddle_serving_client.wire import brpc, general_model, recall
from paddle_serving_client.wire.proto.baidu_rpc_meta_pb2 import RpcMeta, RpcResponseMeta
from paddle_serving_client.wire.protobuf import bytes_field, number_field, pack_few
from paddle_serving_client.wire.tensors import ModelOutput, WireRequest, WireResponse, WireTensor

NAMES = st.sampled_from(["x", "y"])


def joined(*parts: object) -> bytes:
    return b"".join(bytes(part) for part in parts)  # type: ignore[call-overload]


@st.composite
def calls(draw: st.DrawFn) -> list[bytes]:
    """Messages with the same fields in the same order, and what differs between calls drawn for each; most are valid.

    Some have two tensors, values in two runs, or a byte that is anything.
    """
    order = draw(st.permutations(range(5)))
    message_order = draw(st.permutations(range(4)))
    has_two, has_runs, has_lod = (draw(st.integers(0, 5)) == 0 for _ in range(3))

    def tensor(carrier: int, code: int) -> bytes:
        shape = draw(st.sampled_from([[4], [2, 2], [1, 4], [4, 1], [2], [8]]))
        values = draw(st.binary(min_size=16, max_size=16))
        runs = [values[:8], values[8:]] if has_runs else [values]
        fields = [
            joined(*(part for run in runs for part in bytes_field(carrier, run))),
            joined(number_field(10, code)),
            joined(*bytes_field(11, pack_few(shape))),
            joined(*bytes_field(13, draw(NAMES).encode())),
            joined(*bytes_field(12, b"\0\4")) if has_lod else joined(*bytes_field(14, draw(NAMES).encode())),
        ]
        return joined(*bytes_field(1, b"".join(fields[k] for k in order)))

    def message() -> bytes:
        carrier, code = draw(st.sampled_from([(2, 1), (2, 1), (2, 1), (2, 2), (3, 2), (15, 7), (15, 8)]))
        fields = [
            tensor(carrier, code),
            tensor(carrier, code) if has_two else b"",
            joined(*bytes_field(2, draw(NAMES).encode())),
            joined(number_field(4, draw(st.integers(1, 2)))),
        ]
        return b"".join(fields[k] for k in message_order)

    messages = [message() for _ in range(draw(st.integers(2, 6)))]
    at, byte = draw(st.integers(0, len(messages[0]) - 1)), draw(st.integers(0, 255))
    return [*messages, messages[0][:at] + bytes([byte]) + messages[0][at + 1 :]]


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    recall._known.clear()
    yield
    recall._known.clear()


def read(message: bytes) -> object:
    """All that is in a message, or what is wrong with it."""
    try:
        request = general_model.decode_request(message)
    except ServingError as exc:
        return type(exc), str(exc)
    return said(request)


def said(request: WireRequest) -> object:
    found = [(t.name, t.alias, t.array.dtype, t.array.shape, t.array.tobytes(), t.lod) for t in request.tensors]
    return found, request.fetch, request.profile_server, request.log_id


@given(calls())
def test_what_is_recalled_is_what_would_have_been_read(messages: list[bytes]) -> None:
    recall._known.clear()
    with_memory = [read(message) for message in messages]
    for message, found in zip(messages, with_memory, strict=True):
        recall._known.clear()
        assert read(message) == found


def test_the_values_of_the_first_message_are_not_kept() -> None:
    tensor = (*bytes_field(2, bytes(16)), number_field(10, 1), *bytes_field(11, b"\4"), *bytes_field(13, b"x"))
    message = joined(*bytes_field(1, joined(*tensor)))
    received = bytearray(message)
    general_model.decode_request(received)
    assert recall.recalled(memoryview(message)) is not None
    received.clear()  # refused while anything is a view of it


ARRAYS = st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.float16, np.uint8, np.bool_]).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


@given(array=ARRAYS, other=st.randoms(use_true_random=False), log_id=st.integers(0, 2**63 - 1))
def test_what_stands_around_the_values_is_the_same_for_other_values(
    array: Array, other: random.Random, log_id: int
) -> None:
    def response(values: Array) -> WireResponse:
        tensor = WireTensor(name="fc_0.tmp_1", alias="price", array=values)
        output = ModelOutput(tensors=(tensor,), engine_name="GeneralInferOp_0")
        return WireResponse(outputs=(output,), profile_time=(1 << 50, 1 << 51), log_id=log_id)

    around = general_model.around_values(response(array).outputs[0])
    if around is None:
        assert not array.size or array.dtype in (np.int32, np.int64, np.bool_)
        return
    values = np.frombuffer(other.randbytes(array.nbytes), array.dtype).reshape(array.shape)
    before, after = around
    times, number = general_model.profile_times(1 << 50, 1 << 51), general_model.log_id_field(log_id)
    assert before + values.tobytes() + after + times + number == general_model.encode_response(response(values))


@given(number=st.integers(-(2**63), 2**63 - 1), size=st.integers(0, 2**31 - 1), compression=st.sampled_from([0, 2, 3]))
def test_the_head_of_a_reply_is_what_protobuf_writes(number: int, size: int, compression: int) -> None:
    meta = RpcMeta(response=RpcResponseMeta(error_code=0), compress_type=compression, correlation_id=number)
    raw = meta.SerializeToString()
    assert (
        brpc.response_head(number, size, compression) == struct.pack(">4sII", b"PRPC", len(raw) + size, len(raw)) + raw
    )
