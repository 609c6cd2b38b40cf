"""Answers of HTTP/1.1: whole however they are cut, and refused where they could be understood in two ways."""

import gzip

import pytest

from paddle_serving_client.errors import BadInput, BadPacket, TooLarge
from paddle_serving_client.wire.http1 import MAX_HEAD_BYTES, ReplyReader, request_head

OK = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, limit: int = 1000) -> ReplyReader:
    reader = ReplyReader(limit)
    for piece in pieces:
        reader.feed(piece)
    return reader


@pytest.mark.parametrize(("text", "body", "is_kept"), [
    (OK + b"Content-Length: 5\r\nX-A: b\r\n\r\nhello", b"hello", True),
    (OK + b"content-length:5\r\nConnection: close\r\n\r\nhello", b"hello", False),
    (OK + b"Content-Length: 0\r\n\r\n", b"", True),
    (OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n", b"hello", True),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.1 204 \r\n\r\n", b"", True),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    (OK + b"Content-Length: 5\r\n\r\nhello and more", b"hello", False),
])  # fmt: skip
def test_an_answer_is_the_same_however_it_is_cut(text: bytes, body: bytes, is_kept: bool) -> None:
    for cut in range(1, len(text)):
        reader = read(text[:cut], text[cut:])
        assert reader.is_complete
        assert reader.reply().body == body
    one_by_one = read(*(text[k : k + 1] for k in range(len(text))))
    assert (one_by_one.reply().body, read(text).keeps_connection) == (body, is_kept)


def test_every_beginning_of_an_answer_is_incomplete() -> None:
    text = OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    for end in range(len(text)):
        reader = read(text[:end])
        assert not reader.is_complete
        with pytest.raises(EOFError):
            reader.ended()


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    reader = read(OK + b"\r\nhel", b"lo")
    assert not reader.is_complete
    reader.ended()
    assert (reader.reply().body, reader.keeps_connection) == (b"hello", False)


@pytest.mark.parametrize("text", [
    b"PRPC", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 200OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n", b"HTTP/1.1 99 x\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    OK + b"Content-Length: 5, 6\r\n\r\n", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    OK + b"Content-Length: +5\r\n\r\n", OK + b"Content-Length: -5\r\n\r\n", OK + b"Content-Length: 5x\r\n\r\n",
    OK + b"Content-Length : 5\r\n\r\n", OK + b" folded: 1\r\n\r\n", OK + b"no colon\r\n\r\n",
    OK + b"A: b\nC: d\r\n\r\n",
    OK + b"A: b\0\r\n\r\n", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
    OK + b"A: " + b"b" * MAX_HEAD_BYTES, (b"HTTP/1.1 100 Continue\r\n\r\n") * 20,
    OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 100,
])  # fmt: skip
def test_what_could_be_understood_in_two_ways_is_refused(text: bytes) -> None:
    with pytest.raises(BadPacket):
        read(text)


@pytest.mark.parametrize("text", [
    OK + b"Content-Length: 1001\r\n\r\n",
    OK + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n",
    OK + b"\r\n" + b"x" * 1001,
    OK + b"Transfer-Encoding: chunked\r\n\r\nfff\r\n",
])  # fmt: skip
def test_a_length_is_looked_at_before_anything_is_kept(text: bytes) -> None:
    with pytest.raises(TooLarge, match="over 1000 bytes"):
        read(text)


def test_what_is_compressed_grows_no_larger() -> None:
    packed = gzip.compress(b"x" * 1001)
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert bytes(read(head, packed, limit=1001).reply().body) == b"x" * 1001
    with pytest.raises(TooLarge):
        read(head, packed).reply()


def test_a_body_that_is_taken_as_it_comes_has_no_limit_but_what_waits_does() -> None:
    reader = ReplyReader(10, max_kept_bytes=10)
    reader.feed(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        reader.feed(b"8\r\n12345678\r\n")
        assert reader.take() == b"12345678"
    with pytest.raises(TooLarge):
        reader.feed(b"8\r\n12345678\r\n8\r\n12345678\r\n")


@pytest.mark.parametrize(("path", "headers"), [
    ("/a b", {}), ("/a\r\nX: y", {}), ("/ä", {}), ("/", {"A": "b\r\nC: d"}), ("/", {"A b": "c"}), ("/", {"A": "€"}),
])  # fmt: skip
def test_nothing_in_a_request_ends_its_line(path: str, headers: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        request_head("GET", path, headers, 0)
