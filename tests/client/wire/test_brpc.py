import contextlib
import gzip
import itertools
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import brpc
from paddle_serving_client.wire.brpc import BadFrame, FrameReader
from paddle_serving_client.wire.proto.baidu_rpc_meta_pb2 import RpcMeta, RpcRequestMeta
from tests.client import captured
from tests.data.frames import read
from tests.rpc_frames import response_frame

PACKERS: list[tuple[int, Callable[[bytes], bytes]]] = [(2, gzip.compress), (3, zlib.compress)]
PAYLOAD = b"payload"
REQUEST = brpc.request_frame(brpc.SERVICE, "inference", 7, PAYLOAD)


def head(body_bytes: int, meta_bytes: int, magic: bytes = b"PRPC") -> bytes:
    return struct.pack(">4sII", magic, body_bytes, meta_bytes)


def framed(meta: bytes, rest: bytes = b"") -> bytes:
    return head(len(meta) + len(rest), len(meta)) + meta + rest


def meta_of(**fields: object) -> bytes:
    request = RpcRequestMeta(service_name="s", method_name="m")
    return RpcMeta(request=request, **fields).SerializeToString()  # type: ignore[arg-type]


def drain(reader: FrameReader) -> list[brpc.Frame]:
    return list(iter(reader.next, None))


def read_one(raw: bytes) -> brpc.Frame:
    reader = FrameReader()
    reader.feed(raw)
    frame = reader.next()
    assert frame is not None
    assert reader.next() is None
    return frame


# --- the frames that were captured ---


def test_every_captured_request_is_read_and_written_byte_for_byte() -> None:
    for name in captured.names("req"):
        raw = read(f"{name}.bin")
        frame = read_one(raw)
        assert (frame.meta.request.service_name, frame.meta.request.method_name) == (brpc.SERVICE, "inference")
        assert frame.meta.correlation_id == captured.CORRELATION_ID
        assert brpc.request_frame(brpc.SERVICE, "inference", captured.CORRELATION_ID, frame.payload) == raw, name
        head = brpc.request_head(brpc.SERVICE, "inference", captured.CORRELATION_ID, len(frame.payload))
        assert head + frame.payload == raw


def test_every_captured_reply_is_read_and_written_byte_for_byte() -> None:
    for name in captured.names("rep"):
        frame = captured.frame(name)
        response = frame.meta.response
        if response.error_code:
            written = brpc.error_frame(captured.CORRELATION_ID, response.error_code, response.error_text)
        else:
            written = response_frame(captured.CORRELATION_ID, frame.payload, frame.meta.compress_type)
        assert written == read(f"{name}.bin"), name


@pytest.mark.parametrize(("name", "code", "text"), [
    ("1002", 1002, "[127.0.0.1:9393][E1002]Fail to find method"),
    ("2003", 2003, "[E2003]logoff"),
    ("2004", 2004, "limit"),
    ("404", 404, "x"),
    ("m5100", -5100, "[127.0.0.1:9393][E-5100]InferService inference failed!"),
])  # fmt: skip
def test_captured_error(name: str, code: int, text: str) -> None:
    frame = captured.frame(f"rep_uci_err_{name}")
    assert (frame.meta.response.error_code, frame.meta.response.error_text) == (code, text)
    assert len(frame.payload) == 0


# --- cutting and joining ---


@pytest.mark.parametrize("raw", [REQUEST, framed(meta_of(attachment_size=3), b"payloadatt")])
def test_cut_at_every_byte_gives_none_and_then_the_frame(raw: bytes) -> None:
    for cut in range(len(raw)):
        reader = FrameReader()
        reader.feed(raw[:cut])
        assert reader.next() is None
        assert reader.buffered_bytes == cut
        reader.feed(raw[cut:])
        frame = reader.next()
        assert frame is not None
        assert frame.payload == PAYLOAD
        assert reader.buffered_bytes == 0


@given(st.data())
def test_a_stream_may_be_cut_anywhere(data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.binary(max_size=300), max_size=8))
    stream = b"".join(brpc.request_frame("s", "m", k, payload) for k, payload in enumerate(payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader, got = FrameReader(), []
    for start, end in itertools.pairwise([0, *cuts, len(stream)]):
        reader.feed(stream[start:end])
        got += drain(reader)
    assert [(frame.meta.correlation_id, bytes(frame.payload)) for frame in got] == list(enumerate(payloads))


def test_one_byte_at_a_time() -> None:
    reader = FrameReader()
    got = []
    for byte in REQUEST * 3:
        reader.feed(bytes((byte,)))
        got += drain(reader)
    assert [bytes(frame.payload) for frame in got] == [PAYLOAD] * 3


def test_a_frame_in_one_chunk_is_not_copied_and_cannot_be_written() -> None:
    frame = read_one(REQUEST)
    assert frame.payload.obj is REQUEST
    assert frame.payload.readonly


def test_what_was_handed_out_stays_as_it_was_when_more_arrives() -> None:
    reader = FrameReader()
    for chunk in (REQUEST[:20], REQUEST[20:] + REQUEST[:30], REQUEST[30:]):
        reader.feed(chunk)
    first = reader.next()
    reader.feed(REQUEST[:5])
    second = reader.next()
    reader.feed(REQUEST[5:])
    third = reader.next()
    assert [bytes(frame.payload) for frame in (first, second, third) if frame] == [PAYLOAD] * 3


def test_a_large_frame_in_small_chunks_takes_linear_time_and_one_buffer() -> None:
    raw = brpc.request_frame("s", "m", 1, bytes(16 << 20))
    reader, start = FrameReader(), time.process_time()
    for at in range(0, len(raw), 4096):
        assert reader.next() is None
        reader.feed(raw[at : at + 4096])
    assert reader.next() is not None
    assert time.process_time() - start < 2  # 0.03 s; with a copy of all that came for each chunk it would be 10 s
    raw = brpc.request_frame("s", "m", 1, bytes(8 << 20))
    chunks = [raw[at : at + 65536] for at in range(0, len(raw), 65536)]
    tracemalloc.start()
    try:
        reader = FrameReader()
        for chunk in chunks:
            reader.feed(chunk)
        assert reader.next() is not None
        assert tracemalloc.get_traced_memory()[1] < 1.3 * len(raw)
    finally:
        tracemalloc.stop()


# --- what is refused ---


def test_body_over_the_limit_is_refused_from_the_head_alone() -> None:
    for size in (65, 1 << 31, (1 << 32) - 1):
        reader = FrameReader(max_body_bytes=64)
        reader.feed(head(size, 10))
        with pytest.raises(TooLarge, match=f"{size} bytes came, at most 64"):
            reader.next()
    reader = FrameReader(max_body_bytes=len(REQUEST) - 12)
    reader.feed(REQUEST)
    assert reader.next() is not None


@pytest.mark.parametrize(("raw", "problem"), [
    (head(9, 10), "meta of 10 bytes does not fit in a body of 9"),
    (head(1 << 20, (64 << 10) + 1), "meta of 65537 bytes"),
    (head(0, 0), "lacks the request"),
    (head(5, 0) + b"12345", "lacks the request"),
    (b"prpc" + bytes(8), "not a baidu_std frame: it starts with b'prpc'"),
    (b"P", None),
    (b"PRPD", "not a baidu_std frame"),
    (b"GET / HT", "not a baidu_std frame: it starts with b'GET /"),
    (b"\x16\x03\x01", "not a baidu_std frame"),
    (framed(b"\xff\xff\xff"), "not a valid RpcMeta"),
    (framed(b"\x00\x00"), "not a valid RpcMeta"),
    (framed(b"\x0a\x05\x0a\x01"), "not a valid RpcMeta"),
    (framed(b"\x0a\x03\x0a\x01s"), "no method name"),
    (framed(b"\x0a\x03\x12\x01m"), "no service name"),
    (framed(b"\x0a\x00"), "no service name"),
    (framed(b"\x0a\x06\x0a\x01\xff\x12\x01m"), "no service name"),
    (framed(b"\x12\x02\x08\x00"), "lacks the request"),
])  # fmt: skip
def test_bytes_that_are_no_request(raw: bytes, problem: str | None) -> None:
    reader = FrameReader()
    reader.feed(raw)
    if problem is None:
        assert reader.next() is None
        return
    with pytest.raises(BadPacket, match=problem):
        reader.next()


def test_deep_meta_is_refused() -> None:
    reader = FrameReader()
    reader.feed(framed(b"\x0b" * 5000))
    with pytest.raises(BadPacket):
        reader.next()


def test_a_reader_of_replies_refuses_a_request() -> None:
    reader = FrameReader(reads="replies")
    reader.feed(REQUEST)
    with pytest.raises(BadPacket, match="in place of a reply"):
        reader.next()


def test_a_reply_may_lack_the_response() -> None:
    reader = FrameReader(reads="replies")
    reader.feed(framed(RpcMeta(correlation_id=5).SerializeToString(), PAYLOAD))
    frame = reader.next()
    assert frame is not None
    assert (frame.meta.correlation_id, bytes(frame.payload)) == (5, PAYLOAD)


def test_attachment() -> None:
    frame = read_one(framed(meta_of(attachment_size=3), b"payloadatt"))
    assert (bytes(frame.payload), bytes(frame.attachment)) == (PAYLOAD, b"att")
    frame = read_one(framed(meta_of(attachment_size=7), PAYLOAD))
    assert (bytes(frame.payload), bytes(frame.attachment)) == (b"", PAYLOAD)


@pytest.mark.parametrize("size", [-1, 8, 2**31 - 1, -(2**31)])
def test_a_wrong_attachment_spoils_one_frame_only(size: int) -> None:
    reader = FrameReader()
    reader.feed(framed(meta_of(attachment_size=size, correlation_id=99), PAYLOAD) + REQUEST)
    with pytest.raises(BadFrame, match=f"attachment_size={size} does not fit in the 7 bytes") as caught:
        reader.next()
    assert caught.value.correlation_id == 99
    frame = reader.next()
    assert frame is not None
    assert frame.payload == PAYLOAD


@pytest.mark.parametrize("correlation_id", [0, -1, 2**63 - 1, -(2**63)])
def test_correlation_ids_are_echoed(correlation_id: int) -> None:
    assert read_one(brpc.request_frame("s", "m", correlation_id, b"")).meta.correlation_id == correlation_id
    for raw in (response_frame(correlation_id, b""), brpc.error_frame(correlation_id, 2001, "x")):
        reader = FrameReader(reads="replies")
        reader.feed(raw)
        frame = reader.next()
        assert frame is not None
        assert frame.meta.correlation_id == correlation_id


def test_an_error_text_is_cut_and_stays_text() -> None:
    reader = FrameReader(reads="replies")
    reader.feed(brpc.error_frame(1, -5100, "ä" * 5000 + "\ud800"))
    frame = reader.next()
    assert frame is not None
    assert frame.meta.response.error_text == "ä" * 512


@settings(max_examples=300)
@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255), st.binary(max_size=20))
def test_a_changed_byte_raises_nothing_undeclared(at: int, byte: int, tail: bytes) -> None:
    reader = FrameReader()
    reader.feed(REQUEST[:at] + bytes((byte,)) + REQUEST[at + 1 :] + tail)
    with contextlib.suppress(BadPacket, TooLarge):
        drain(reader)


@given(st.binary(max_size=64))
def test_any_bytes_raise_nothing_undeclared(raw: bytes) -> None:
    for start in (b"", b"PRPC", b"PRPC\0\0\0\x20\0\0\0\x10"):
        reader = FrameReader()
        with contextlib.suppress(BadPacket, TooLarge):
            reader.feed(start + raw)
            drain(reader)


# --- compression ---


@pytest.mark.parametrize(("kind", "pack"), PACKERS)
def test_decompress(kind: int, pack: Callable[[bytes], bytes]) -> None:
    for plain in (b"", b"a", bytes(range(256)) * 4096, bytes(100_000)):
        assert brpc.decompress(kind, pack(plain)) == plain
        assert brpc.decompress(kind, memoryview(pack(plain))) == plain


def test_what_is_not_compressed_is_not_copied() -> None:
    assert brpc.decompress(0, PAYLOAD) is PAYLOAD


@pytest.mark.parametrize(("kind", "name"), [(1, "snappy"), (4, "lz4"), (99, "unknown"), (-1, "unknown")])
def test_other_compressions_are_named(kind: int, name: str) -> None:
    with pytest.raises(BadPacket, match=rf"compress_type={kind} \({name}\) is not supported"):
        brpc.decompress(kind, b"x")


@pytest.mark.parametrize(("kind", "pack"), PACKERS)
def test_damaged_compression(kind: int, pack: Callable[[bytes], bytes]) -> None:
    raw = pack(b"some text that is long enough to be compressed" * 9)
    for cut in range(len(raw)):
        with pytest.raises(BadPacket, match="cut"):
            brpc.decompress(kind, raw[:cut])
    with pytest.raises(BadPacket, match="followed by something else"):
        brpc.decompress(kind, raw + b"x")
    for at in (0, 1, len(raw) // 2, len(raw) - 5, len(raw) - 1):
        with pytest.raises(BadPacket):
            brpc.decompress(kind, raw[:at] + bytes((raw[at] ^ 0xFF,)) + raw[at + 1 :])


def test_a_bomb_stops_at_the_ratio_and_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=f"grow to more than {100 * len(bomb)}"):
            brpc.decompress(2, bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * 100 * len(bomb)
    finally:
        tracemalloc.stop()
    with pytest.raises(TooLarge, match="more than 1000"):
        brpc.decompress(2, gzip.compress(bytes(1001)), max_bytes=1000)
    assert len(brpc.decompress(2, gzip.compress(bytes(1000)), max_bytes=1000)) == 1000


def test_a_small_tensor_of_zeros_is_honest() -> None:
    assert len(brpc.decompress(2, gzip.compress(bytes(1 << 20)))) == 1 << 20
