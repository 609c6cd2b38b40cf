import gzip
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.wire import brpc, grpc, health
from paddle_serving_client.wire.grpc import Prefix, UnknownEncoding
from paddle_serving_client.wire.health import Health
from tests import grpc_texts
from tests.data import frames

MESSAGE = frames.read("grpc_message_uci.bin")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_message_behind_its_prefix(compressed: bool) -> None:
    framed = grpc.framed(MESSAGE, compressed)
    assert framed[:5] == bytes([compressed, 0, 0, 0, 77])
    assert grpc.read_prefix(framed, 77) == Prefix(compressed, 77)
    assert framed[5:] == MESSAGE


@pytest.mark.parametrize(
    ("head", "error", "words"),
    [
        (b"\x00\x00\x00\x00\x4e", TooLarge, "78 bytes came, at most 77"),
        (b"\x00\xff\xff\xff\xff", TooLarge, "4294967295"),
        (b"\x02\x00\x00\x00\x01", BadPacket, "0 or 1"),
    ],
)
def test_a_prefix_that_cannot_be(head: bytes, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        grpc.read_prefix(head, 77)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("identity", MESSAGE), ("gzip", gzip.compress(MESSAGE)), ("deflate", zlib.compress(MESSAGE))],
)
def test_compressions(encoding: str, packed: bytes) -> None:
    assert grpc.unpacked(packed, encoding != "identity", encoding, 1000) == MESSAGE
    assert grpc.unpacked(MESSAGE, False, encoding, 1000) == MESSAGE


@pytest.mark.parametrize(
    ("packed", "encoding", "error", "words"),
    [
        (MESSAGE, "snappy", UnknownEncoding, "'snappy' is not read here; identity, gzip, deflate are"),
        (MESSAGE, "identity", BadPacket, "without a grpc-encoding"),
        (MESSAGE, "gzip", BadPacket, "damaged"),
        (gzip.compress(MESSAGE)[:-1], "gzip", BadPacket, "cut"),
        (gzip.compress(bytes(50 << 20)), "gzip", TooLarge, "grow"),
    ],
)
def test_compressions_that_cannot_be(packed: bytes, encoding: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        grpc.unpacked(packed, True, encoding, 64 << 20)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1H", 3600), ("2M", 120), ("99999999S", 1e6), ("250m", 0.25), ("3u", 3e-6), ("0n", 0)]
)
def test_timeouts(text: str, seconds: float) -> None:
    assert grpc.timeout_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "S", "-1S", "1.5S", "123456789S", "1s", "1S ", "١S"])
def test_timeouts_that_cannot_be(text: str) -> None:
    with pytest.raises(BadPacket, match="grpc-timeout"):
        grpc.timeout_s(text)


@given(st.floats(0, 1e9))
def test_a_timeout_that_is_written_can_be_read(seconds: float) -> None:
    read = grpc.timeout_s(grpc_texts.timeout_text(seconds))
    assert read == pytest.approx(min(seconds, 1e6), rel=1e-4, abs=1e-3)


@given(st.text())
def test_any_text_goes_through_a_header(text: str) -> None:
    raw = grpc.percent_encoded(text)
    assert all(0x20 <= byte <= 0x7E for byte in raw)
    assert grpc_texts.percent_decoded(raw) == text[: grpc.MAX_TEXT_BYTES]


def test_texts_as_the_specification_writes_them() -> None:
    assert grpc.percent_encoded("100% – \n") == b"100%25 %E2%80%93 %0A"
    assert grpc_texts.percent_decoded(b"50% \xff %zz") == "50% � %zz"
    assert grpc_texts.percent_decoded(grpc.percent_encoded("\ud800")) == "?"


def test_a_very_long_text_is_cut_between_characters() -> None:
    assert grpc_texts.percent_decoded(grpc.percent_encoded("é" * 9999)) == "é" * (grpc.MAX_TEXT_BYTES // 2)


def test_only_what_gets_smaller_is_compressed() -> None:
    noise = np.random.default_rng(0).bytes(800_000)
    assert brpc.gzipped(bytes(511)) is None
    assert brpc.gzipped(noise[:2000]) is None
    assert brpc.gzipped(noise) is None
    for size in (512, 40_000, 1 << 20):
        packed = brpc.gzipped(bytes(size))
        assert packed is not None
        assert gzip.decompress(packed) == bytes(size)


@pytest.mark.parametrize("service", ["", "uci", "é"])
def test_health_question(service: str) -> None:
    assert health.decode_request(health.encode_request(service)) == service


def test_health_messages_as_protobuf_writes_them() -> None:
    assert health.encode_request("uci") == b"\x0a\x03uci"
    assert (health.encode_response(Health.SERVING), health.encode_response(Health.NOT_SERVING)) == (
        b"\x08\1",
        b"\x08\2",
    )
    assert health.decode_response(b"\x08\x01") is Health.SERVING
    assert health.decode_response(b"") is health.decode_response(b"\x08\x63") is Health.UNKNOWN
    with pytest.raises(BadPacket):
        health.decode_request(b"\x0a\x01\xff")
