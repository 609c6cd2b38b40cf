"""HTTP by RFC 9110 and 9112, case by case: the bytes of a request, what is said to them, and whether one may go on.

Every case comes whole, and cut into single bytes: the answer is the same.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddle_serving_server.config.values import Limits
from paddle_serving_server.protocols.http import stream
from paddle_serving_server.services.web_service import WebService
from tests.models import UCI_INPUT
from tests.server.protocols.transport import Ask, Wire, serving

X = UCI_INPUT.tolist()
GOOD = json.dumps({"feed": [{"x": X}], "fetch": ["price"]}).encode()
LONG = json.dumps({"feed": [{"x": X}] * 60, "fetch": ["price"]}).encode()
POST = b"POST /uci/prediction HTTP/1.1\r\n"
HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"
HEAD = POST + HOST + JSON
LENGTH = b"Content-Length: %d\r\n" % len(GOOD)
BODY = LENGTH + b"\r\n" + GOOD
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(GOOD), GOOD)
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n"
PRICE = b'{"result":{"price":[['


class Files(WebService):
    """Says how many bytes each file of a form has, and its other fields."""

    kind = "image"

    def preprocess(self, feed: Any = (), fetch: Any = ()) -> tuple[Any, ...]:
        return {"x": [X] * len(feed)}, fetch, True

    def postprocess(self, feed: Any = (), fetch: Any = (), fetch_map: Any = None) -> Any:
        return [{k: len(v) if isinstance(v, bytes) else v for k, v in instance.items()} for instance in feed]


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, WebService("uci"), Files("files")) as ask:
        yield ask


class Case(NamedTuple):
    """One line of the table."""

    data: bytes
    status: int
    words: bytes = b""
    """What stands in the answer."""
    stays: bool = True
    """Whether the connection is kept."""


def form(*parts: bytes, preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    body = preamble + b"".join(b"--bb\r\nContent-Disposition: form-data; %s" % part for part in parts)
    return form_of(body + b"--bb--\r\n" + epilogue)


def form_of(body: bytes) -> bytes:
    head = b"POST /files/prediction HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=bb\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


CASES = {
    # 9112 2.2: empty lines before a request
    "leading CRLF": Case(b"\r\n\r\n" + HEALTH + b"\r\n", 200, b"OK"),
    # 9112 3.2: the forms of a target
    "absolute form": Case(b"GET http://127.0.0.1:9393/health HTTP/1.1\r\nHost: y\r\n\r\n", 200, b"OK"),
    "absolute form, capitals": Case(b"GET HTTP://[::1]/health?a=b HTTP/1.1\r\nHost: y\r\n\r\n", 200, b"OK"),
    "absolute form of a POST": Case(HEAD.replace(b"/uci", b"http://a/uci") + BODY, 200, PRICE),
    "absolute form without a path": Case(b"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"Services"),
    "absolute form with a user": Case(b"GET http://u:p@a/health HTTP/1.1\r\nHost: a\r\n\r\n", 400, b"host name", False),
    "another scheme": Case(b"GET ftp://a/health HTTP/1.1\r\nHost: a\r\n\r\n", 400, b"host name", False),
    "asterisk form": Case(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, b"nothing here"),
    "authority form": Case(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\nabc", 404, b"nothing here", False),
    # 9112 5.1: white space around a value is not part of it
    "white space behind values": Case(
        POST + b"Host: x \t\r\nContent-Type: application/json \r\nContent-Encoding:  identity\t\r\n"
        b"Expect: 100-continue \r\nContent-Length: %d \r\n\r\n%s" % (len(GOOD), GOOD),
        100,
        PRICE,
    ),
    "white space before a colon": Case(HEAD + b"A : b\r\n" + BODY, 400, b"not HTTP/1.1", False),
    "spaces around a coding": Case(
        HEAD + b"Transfer-Encoding:\t chunked  \r\n\r\n" + CHUNKS + b"\r\n", 200, PRICE
    ),
    "a tab behind a coding, which llhttp does not take": Case(
        HEAD + b"Transfer-Encoding: chunked\t\r\n\r\n" + CHUNKS + b"\r\n", 400, b"Transfer-Encoding", False
    ),
    # 9110 5.3: several lines of one name
    "a list on two lines": Case(HEAD + b"Accept-Encoding: br\r\nAccept-Encoding: gzip;q=0\r\n" + BODY, 200, PRICE),
    "two types": Case(HEAD + JSON + BODY, 400, b"two content-type headers", False),
    "two lengths": Case(HEAD + LENGTH + BODY, 400, b"Content-Length", False),
    # 9112 6.1: transfer codings
    "gzip, then chunked": Case(
        HEAD + b"Transfer-Encoding: gzip\r\n" + CHUNKED + b"\r\n" + CHUNKS + b"\r\n", 501, b"chunked", False
    ),
    "gzip, chunked on one line": Case(
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS + b"\r\n", 501, b"chunked", False
    ),
    "chunked twice": Case(HEAD + CHUNKED * 2 + b"\r\n" + CHUNKS + b"\r\n", 400, b"", False),
    "chunked in capitals": Case(HEAD + CHUNKED.upper() + b"\r\n" + CHUNKS + b"\r\n", 200, PRICE),
    "chunked in HTTP/1.0": Case(
        HEAD.replace(b"/1.1", b"/1.0") + CHUNKED + b"\r\n" + CHUNKS + b"\r\n", 501, b"in HTTP/1.1", False
    ),
    # 9112 7.1.2, 9110 6.5: trailers
    "trailers are not headers": Case(
        HEAD + CHUNKED + b"\r\n" + CHUNKS + b"Content-Encoding: gzip\r\nContent-Type: text/plain\r\n\r\n", 200, PRICE
    ),
    "many trailers": Case(HEAD + CHUNKED + b"\r\n" + CHUNKS + b"A: b\r\n" * 101, 431, b"100 headers", False),
    "a long trailer": Case(HEAD + CHUNKED + b"\r\n" + CHUNKS + b"A: %s\r\n\r\n" % (b"b" * 9000), 431, b"8192", False),
    "long trailers": Case(
        HEAD + CHUNKED + b"\r\n" + CHUNKS + b"A: %s\r\n" % (b"b" * 8000) * 5 + b"\r\n", 431, b"32768", False
    ),
    "a trailer without end": Case(HEAD + CHUNKED + b"\r\n" + CHUNKS + b"A: " + b"b" * 600_000, 431, b"32768", False),
    "a chunk extension without end": Case(HEAD + CHUNKED + b"\r\n1;a=" + b"b" * 600_000, 431, b"32768", False),
    # 9110 7.8: an offer of another protocol is not taken up
    "upgrade with a body": Case(HEAD + UPGRADE + BODY, 200, PRICE),
    "upgrade with chunks": Case(HEAD + UPGRADE + CHUNKED + b"\r\n" + CHUNKS + b"\r\n", 200, PRICE),
    "upgrade without a body": Case(HEALTH + UPGRADE + b"\r\n", 200, b"OK"),
    "upgrade and close": Case(HEAD + UPGRADE.replace(b": Up", b": close, Up") + BODY, 200, PRICE, False),
    "upgrade with two hosts": Case(HEAD + HOST + UPGRADE + BODY, 400, b"exactly one Host", False),
    "upgrade and too large": Case(HEAD + UPGRADE + b"Content-Length: 99999999\r\n\r\n", 413, b"at most", False),
    "upgrade in HTTP/1.0": Case(
        HEAD.replace(b"/1.1", b"/1.0") + UPGRADE.replace(b": Up", b": keep-alive, Up") + BODY, 200, PRICE
    ),
    # 9110 10.1.1: expectations
    "continue": Case(HEAD + b"Expect: 100-Continue\r\n" + BODY, 100, PRICE),
    "continue without a body": Case(HEALTH + b"Expect: 100-continue\r\n\r\n", 200, b"OK"),
    "continue in HTTP/1.0": Case(
        HEAD.replace(b"/1.1", b"/1.0") + b"Connection: keep-alive\r\nExpect: 100-continue\r\n" + BODY, 200, PRICE
    ),
    "another expectation": Case(HEAD + b"Expect: lunch\r\n" + BODY, 417, b"100-continue", False),
    "another expectation in HTTP/1.0": Case(
        HEAD.replace(b"/1.1", b"/1.0") + b"Expect: lunch\r\n" + BODY, 200, PRICE, False
    ),
    # 9112 9.6: behind `close` nothing is read
    "more behind the last": Case(HEAD + b"Connection: close\r\n" + BODY + HEALTH + b"\r\n", 200, PRICE, False),
    # fields of a URL
    "64 fields": Case(HEAD.replace(b" HTTP", b"?" + b"a=b&" * 63 + b"fetch=price HTTP") + BODY, 200, PRICE),
    "65 fields": Case(HEAD.replace(b" HTTP", b"?" + b"a=b&" * 64 + b"fetch=price HTTP") + BODY, 400, b"65 fields"),
    # RFC 7578 and 2046: forms
    "a file": Case(form(b'name="image"; filename="a.jpg"\r\n\r\nDATA\r\n'), 200, b'[{"image":4}]'),
    "a file by filename* alone": Case(
        form(b"name=\"image\"; filename*=utf-8''%E4%B8%AD.jpg\r\n\r\nDATA\r\n"), 200, b'[{"image":4}]'
    ),
    "a field by name* alone": Case(
        form(b"name*=utf-8''%E5%9B%BE\r\n\r\nb\r\n", b'name="i"; filename="a"\r\n\r\nDATA\r\n'),
        200,
        '[{"图":"b","image":4}]'.encode(),
    ),
    "names in quotes": Case(
        form(b'name="a; filename=\\"x\\""\r\n\r\nb\r\n', b'name="i"; filename="\\"\r\n\r\nDATA\r\n'),
        200,
        b'[{"a; filename=\\"x\\"":"b","image":4}]',
    ),
    "preamble and epilogue": Case(
        form(b'name="i"; filename="a"\r\n\r\nDATA\r\n', preamble=b"A form.\r\n--bbb\r\n", epilogue=b"--bb\r\nx"),
        200,
        b'[{"image":4}]',
    ),
    "boundaries with spaces": Case(
        form_of(b'--bb \t\r\nContent-Disposition: x; name="i"; filename="a"\r\n\r\nDATA\r\n--bb-- \r\n'),
        200,
        b'[{"image":4}]',
    ),
    "what looks like a boundary": Case(
        form(b'name="i"; filename="a"\r\n\r\n--bb\n\r\n--bbb\r\n --bb\r\n'), 200, b'[{"image":19}]'
    ),
    "an empty field": Case(
        form(b'name="a"\r\n\r\n\r\n', b'name="i"; filename="a"\r\n\r\nDATA\r\n'), 200, b'[{"a":"","image":4}]'
    ),
    "an empty file": Case(form(b'name="i"; filename="a"\r\n\r\n\r\n'), 400, b"'i' is empty"),
    "no file": Case(form(b'name="a"\r\n\r\nb\r\n'), 400, b"the form has no file"),
    "no parts": Case(form(), 400, b"the form has no file"),
    "no name": Case(form(b'filename="a"\r\n\r\nDATA\r\n'), 400, b"has no name"),
    "no empty line": Case(form(b'name="a"\r\n'), 400, b"no empty line behind its head"),
    "no colon": Case(form(b'name="a"\r\nabc\r\n\r\nb\r\n'), 400, b"'abc' is no header"),
    "base64": Case(
        form(b'name="i"; filename="a"\r\nContent-Transfer-Encoding: base64\r\n\r\nREFUQQ==\r\n'), 400, b"in 'base64'"
    ),
    "a form that is cut": Case(form_of(b'--bb\r\nContent-Disposition: x; name="a"\r\n\r\nb\r\n--bb'), 400, b"is cut"),
    "16 parts": Case(
        form(*[b'name="a"\r\n\r\nb\r\n'] * 15, b'name="i"; filename="a"\r\n\r\nDATA\r\n'), 200, b'[{"a":"b","image":4}]'
    ),
    "17 parts": Case(form(*[b'name="a"; filename="a"\r\n\r\nb\r\n'] * 17), 413, b"at most 16 parts"),
    "a long head of a part": Case(form(b'name="%s"\r\n\r\nb\r\n' % (b"a" * 9000)), 413, b"8192"),
    "a long field": Case(form(b'name="a"\r\n\r\n%s\r\n' % (b"b" * 102_401)), 413, b"a text field has at most 102400"),
    "no boundary in the body": Case(form_of(b"--b\r\n--bb\n"), 400, b"boundary 'bb' is not in"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_requests(ask: Ask, name: str) -> None:
    data, status, words, stays = CASES[name]
    whole = ask(data)
    assert whole[0].startswith(b"HTTP/1.1 %d " % status), whole
    assert words in whole[0], whole
    assert (whole[1], b"\r\nConnection: close\r\n" in whole[0]) == (stays, not stays), whole
    step = 1 + len(data) // 20_000
    single = ask(*(data[k : k + step] for k in range(0, len(data), step)))
    assert single[0].count(b"HTTP/1.1 ") == whole[0].count(b"HTTP/1.1 "), single
    assert (single[0][:12], words in single[0], single[1]) == (whole[0][:12], True, whole[1]), single
    if stays:
        said, _ = ask(data * 2 + HEALTH + b"\r\n")
        assert said.count(b"HTTP/1.1 %d " % max(status, 200)) == 2 + (status <= 200), said
        assert said.endswith(b"OK")


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("br, GZIP ; q=0.001", True),
        ("x-gzip", True),
        ("gzip;q=0, x-gzip;q=1.000", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0", False),
        ("gzip; Q=0.000, br", False),
        ("gzip;q=nothing", False),
        ("br", False),
        ("*", False),
        ("", False),
    ],
)
def test_gzip_for_those_who_take_it(ask: Ask, accepted: str, is_packed: bool) -> None:
    said, _ = ask(HEAD + b"Accept-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (accepted.encode(), len(LONG)) + LONG)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert (b"Content-Encoding: gzip" in said) is is_packed


@pytest.mark.parametrize(
    ("accepted", "is_npy"),
    [
        ("application/x-npy", True),
        ("application/json, application/npy", True),
        ("application/x-npy;q=0.5, application/json;q=0.4", True),
        ("application/x-npy;q=0.4, application/json", False),
        ("application/x-npy;q=0.0", False),
    ],
)
def test_npy_for_those_who_want_it(ask: Ask, accepted: str, is_npy: bool) -> None:
    said, _ = ask(HEAD + b"Accept: %s\r\n" % accepted.encode() + BODY)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert (b"\x93NUMPY" in said) is is_npy


def test_leave_to_send_a_body_comes_behind_the_answers_before_it(ask: Ask) -> None:
    async def scene(wire: Wire) -> bytes:
        wire.send(HEAD + BODY + HEAD + b"Expect: 100-continue\r\n" + LENGTH + b"\r\n")
        said = await wire.answered()
        wire.send(GOOD)
        await wire.answered()
        return said

    first, _, second = ask.play(scene).partition(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second == b""


SMALL = Limits(max_body_bytes=1000)


@pytest.mark.parametrize("framing", [b"Content-Length: 100000\r\n\r\n", CHUNKED + b"\r\n186A0\r\n"])
def test_who_is_refused_in_the_middle_of_a_body_is_listened_to(ask: Ask, framing: bytes) -> None:
    async def scene(wire: Wire) -> None:
        wire.send(HEAD + framing)
        wire.send(b"a" * 2000)
        said = await wire.answered()
        assert said.startswith(b"HTTP/1.1 413 ")
        assert (wire.is_open, wire.transport.is_closing()) == (False, False)
        assert wire.stream is not None
        before = wire.stream.deadline
        await asyncio.sleep(0.01)
        wire.send(b"a" * 98_000)
        assert 0.005 < wire.stream.deadline - before < stream.LINGER_S
        assert await wire.answered() == said
        wire.stream.expire()
        assert wire.transport.is_closing()

    ask.play(scene, SMALL)


def test_a_head_without_end_is_not_listened_to_for_long(ask: Ask) -> None:
    async def scene(wire: Wire) -> None:
        wire.send(HEAD + b"A: ")
        wire.send(b"b" * (100 << 10))
        assert (await wire.answered()).startswith(b"HTTP/1.1 431 ")
        assert not wire.transport.is_closing()
        wire.send(b"b" * (200 << 10))
        wire.send(b"b" * (200 << 10))
        assert wire.transport.is_closing()

    ask.play(scene)


def test_who_is_refused_is_let_go_when_the_server_stops_or_he_has_ended(ask: Ask) -> None:
    async def scene(wire: Wire) -> None:
        wire.send(HEAD + b"Content-Length: 100000\r\n\r\n")
        await wire.answered()
        assert wire.stream is not None
        before = wire.stream.deadline
        wire.stream.drain()
        assert wire.stream.deadline < before
        assert not wire.transport.is_closing()
        wire.end()
        assert wire.transport.is_closing()

    ask.play(scene, SMALL)


_FRAGMENTS = [
    *(b"GET ", b"POST ", b"CONNECT ", b"OPTIONS ", b"/health", b"/uci/prediction", b"http://a", b"*", b"?a=b&", b"#"),
    *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/2.0\r\n", HEALTH, HEAD, HOST, JSON, UPGRADE, CHUNKED, LENGTH, BODY),
    *(b"Content-Length: 5\r\n", b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"Transfer-Encoding: gzip\r\n"),
    *(b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"\r\n", b"\n", b"\r", b" ", b":", b"A: b\r\n", b"\0", b"\xff"),
    *(CHUNKS, b"5\r\nabcde\r\n", b"0\r\n", b"0\r\n\r\n", b"ffffffff\r\n", b"1;a=b\r\n", GOOD),
]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=12), st.integers(1, 60))
def test_any_order_of_such_fragments(ask: Ask, fragments: list[bytes], step: int) -> None:
    """Nothing is raised, no fault is ours, and where the bytes are cut changes nothing."""
    data = b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"".join(fragments)
    said, stays = ask(data)
    assert b"HTTP/1.1 5" not in said.replace(b"HTTP/1.1 501", b"").replace(b"HTTP/1.1 505", b"")
    cut, cut_stays = ask(*(data[k : k + step] for k in range(0, len(data), step)))
    statuses = re.compile(rb"HTTP/1\.1 [2-9]\d\d")
    assert (statuses.findall(said), stays) == (statuses.findall(cut), cut_stays)
