import tracemalloc

import numpy as np
import pytest
from google.protobuf.empty_pb2 import Empty
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.proto import general_model_pb2 as pb
from paddle_serving_client.wire.protobuf import BYTES, FIXED32, FIXED64, VARINT, MessageType

INT64 = st.integers(-(2**63), 2**63 - 1)
SMALL_OR_ANY = st.one_of(st.integers(0, 127), st.integers(-3, 300), INT64)
EDGES = [0, 1, -1, 127, 128, 16383, 16384, 2**31 - 1, -(2**31), 2**32, 2**56 - 1, 2**56, 2**63 - 1, -(2**63)]
MESSAGE = MessageType(
    number=(1, VARINT), text=(2, BYTES), fixed=(3, FIXED32), double=(4, FIXED64), many=(5, BYTES, VARINT)
)


def packed_by_protobuf(values: list[int]) -> bytes:
    """What protobuf's own encoder makes of `int64_data`, without tag and length."""
    raw = memoryview(pb.Tensor(int64_data=values).SerializeToString())
    return bytes(MessageType(it=(1, BYTES)).read(raw).get("it", [memoryview(b"")])[0])


# --- packed varints against protobuf's own encoder ---


@given(st.lists(SMALL_OR_ANY, max_size=200))
def test_packed_varints_are_those_of_protobuf(values: list[int]) -> None:
    raw = packed_by_protobuf(values)
    array = np.array(values, np.int64)
    assert protobuf.pack_varints(array) == raw
    assert protobuf.pack_few(values) == raw
    assert protobuf.unpack_varints(memoryview(raw)).tolist() == values
    assert protobuf.unpack_few(memoryview(raw)) == values
    assert protobuf.count_varints(memoryview(raw)) == len(values)


@pytest.mark.parametrize("value", EDGES)
@pytest.mark.parametrize("count", [1, 40, 70_000])
def test_edges_alone_and_in_company(value: int, count: int) -> None:
    raw = packed_by_protobuf([value] * count)
    assert protobuf.pack_varints(np.full(count, value)) == raw
    assert (protobuf.unpack_varints(memoryview(raw)) == value).all()


def test_pieces_are_cut_between_numbers() -> None:
    rng = np.random.default_rng(1)
    values = np.where(
        rng.random(200_000) < 0.5, rng.integers(-(2**63), 2**63 - 1, 200_000), rng.integers(0, 300, 200_000)
    )
    raw = protobuf.pack_varints(values)
    assert raw == packed_by_protobuf(values.tolist())
    assert (protobuf.unpack_varints(memoryview(raw)) == values).all()


def test_narrow_integers_of_any_layout_can_be_packed() -> None:
    for array in (
        np.array([[-1, 2], [3, 4]], np.int16).T,
        np.array([[1, 2], [3, -4]], ">i4"),
        np.array([[1, 200]], np.int32),
    ):
        assert protobuf.unpack_varints(memoryview(protobuf.pack_varints(array))).tolist() == array.reshape(-1).tolist()


@pytest.mark.parametrize("count", [1, 5, 50, 70_000])
@pytest.mark.parametrize(("bad", "problem"), [
    (b"\x80", "cut"),
    (b"\xff" * 9, "cut"),
    (b"\xff" * 10 + b"\x01", "does not fit in 64 bits|longer than 10 bytes"),
    (b"\x80" * 30 + b"\x01", "does not fit in 64 bits|longer than 10 bytes"),
    (b"\xff" * 9 + b"\x02", "does not fit in 64 bits"),
])  # fmt: skip
def test_malformed_varints(count: int, bad: bytes, problem: str) -> None:
    good = protobuf.pack_varints(np.full(count, 300))
    with pytest.raises(BadPacket, match=problem):
        protobuf.unpack_varints(memoryview(good + bad))
    with pytest.raises(BadPacket, match=problem):
        protobuf.unpack_few(memoryview(bad))


def test_a_run_without_an_end_is_refused() -> None:
    with pytest.raises(BadPacket):
        protobuf.unpack_varints(memoryview(b"\x80" * 1_000_000 + b"\x01"))


@given(st.binary(max_size=100))
def test_any_bytes_decode_alike_with_and_without_numpy(raw: bytes) -> None:
    try:
        few: list[int] | None = [*protobuf._each_varint(memoryview(raw))]
    except BadPacket:
        few = None
    try:
        many: list[int] | None = protobuf.unpack_varints(memoryview(raw * 1 + b"\x80\x01" * 40)).tolist()
    except BadPacket:
        many = None
    if few is not None:
        assert many == [*few, *[128] * 40]


def test_decoding_needs_little_beside_the_result() -> None:
    raw = memoryview(protobuf.pack_varints(np.full(4_000_000, 300)))
    tracemalloc.start()
    try:
        result = protobuf.unpack_varints(raw)
        assert tracemalloc.get_traced_memory()[1] < 1.3 * result.nbytes + (4 << 20)
    finally:
        tracemalloc.stop()


# --- single varints and fields ---


@given(INT64)
def test_one_varint(value: int) -> None:
    raw = protobuf.varint(value)
    assert raw == packed_by_protobuf([value])
    unsigned, after = protobuf.read_varint(memoryview(b"\x7f" + raw + b"\x01"), 1)
    assert (protobuf.signed(unsigned), after) == (value, 1 + len(raw))


def test_fields_come_by_name_in_their_order_as_views() -> None:
    raw = b"".join(
        [
            protobuf.number_field(1, 300),
            *protobuf.bytes_field(2, b"a", b"bc"),
            b"\x1d1234",
            b"\x2112345678",
            protobuf.number_field(5, 9),
            *protobuf.bytes_field(5, b"\x01\x02"),
            protobuf.number_field(99, 5),
            *protobuf.bytes_field(2, b""),
        ]
    )
    got = MESSAGE.read(memoryview(raw))
    assert {name: [bytes(value) for value in values] for name, values in got.items()} == {
        "number": [b"\xac\x02"],
        "text": [b"abc", b""],
        "fixed": [b"1234"],
        "double": [b"12345678"],
        "many": [b"\x09", b"\x01\x02"],
    }
    assert all(value.obj is raw for values in got.values() for value in values)


@pytest.mark.parametrize(("raw", "problem"), [
    (b"\x0a\x01a", r"field 1 \(number\) came with wire type 2"),
    (b"\x10\x01", r"field 2 \(text\) came with wire type 0"),
    (b"\x02\x00", "field 0"),
    (b"\x0b", "wire type 3, which is not read"),
    (b"\x0c", "wire type 4, which is not read"),
    (b"\x0e", "wire type 6"),
    (b"\x0f", "wire type 7"),
    (b"\x12\x05abcd", "field 2 needs 5 bytes, 4 are left"),
    (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "needs 18446744073709551615 bytes, 0 are left"),
    (b"\x1d123", "needs 4 bytes, 3 are left"),
    (b"\x08", "cut"),
    (b"\x08\x80", "cut"),
    (b"\x80", "cut"),
    (b"\x80\x80\x80\x80\x10\x00", "cannot be"),
    (b"\xff" * 10, "does not fit in 64 bits"),
])  # fmt: skip
def test_what_is_not_the_wire_format(raw: bytes, problem: str) -> None:
    with pytest.raises(BadPacket, match=problem):
        MESSAGE.read(memoryview(raw))


def test_too_many_fields() -> None:
    MESSAGE.read(memoryview(b"\x08\x01" * protobuf.MAX_FIELDS))
    with pytest.raises(TooLarge, match="4096 fields"):
        MESSAGE.read(memoryview(b"\x08\x01" * (protobuf.MAX_FIELDS + 1)))


@given(st.binary(max_size=60))
def test_what_we_read_protobuf_reads(raw: bytes) -> None:
    """Whatever our reader takes as a message, the runtime takes too."""
    try:
        MessageType().read(memoryview(raw))
    except (BadPacket, TooLarge):
        return
    Empty.FromString(raw)
