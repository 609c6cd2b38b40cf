"""Answers in parts: what a postprocess that is a generator gives, over HTTP."""

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from paddle_serving_client.errors import BadInput
from paddle_serving_server.services.web_service import WebService
from tests.server.protocols.transport import Ask, Wire, serving
from tests.serving import Server, serve

EVENTS: Final = "text/event-stream"
LINES: Final = "application/x-ndjson"
closed = threading.Event()
made: list[int] = []


class Counts(WebService):
    """Gives numbers, as many as are asked for, and fails at the one that it is told to fail at."""

    def preprocess(self, feed=(), fetch=()):  # type: ignore[no-untyped-def]
        return {"x": [0.0] * 13}, fetch, False

    def postprocess(self, feed=(), fetch=(), fetch_map=None):  # type: ignore[no-untyped-def]
        made.clear()
        closed.clear()
        try:
            for k in range(feed[0]["count"]):
                if k == feed[0].get("wrong"):
                    raise BadInput(f"{k} is too much")
                if k == feed[0].get("broken"):
                    raise RuntimeError("for the log")
                made.append(k)
                yield {"k": k}
                time.sleep(feed[0].get("pause_s", 0))
        finally:
            closed.set()


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, Counts("counts")) as ask:
        yield ask


def request(instance: dict[str, Any], accept: str, version: str = "1.1") -> bytes:
    body = json.dumps({"feed": [instance]})
    head = f"POST /counts/prediction HTTP/{version}\r\nHost: x\r\nAccept: {accept}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def unchunked(raw: bytes) -> tuple[str, bytes, bool]:
    """Head, body, and whether the last chunk came."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        body, rest = body + rest[:count], rest[count + 2 :]
        if count == 0:
            return head.decode().lower(), body, True
    return head.decode().lower(), body, False


def test_events_and_lines_come_one_by_one(ask: Ask) -> None:
    head, body, is_whole = unchunked(ask(request({"count": 3}, EVENTS))[0])
    assert head.startswith("http/1.1 200")
    assert "content-type: text/event-stream" in head
    assert "transfer-encoding: chunked" in head
    assert "content-length" not in head
    assert is_whole
    assert body == b"".join(b'data: {"result":{"k":%d}}\n\n' % k for k in range(3))
    _, body, is_whole = unchunked(ask(request({"count": 2}, f"{LINES};q=0.5"))[0])
    assert (body, is_whole) == (b'{"result":{"k":0}}\n{"result":{"k":1}}\n', True)
    assert closed.wait(5)


def test_who_does_not_ask_for_a_stream_gets_a_list(ask: Ask) -> None:
    for accept in ("*/*", "application/json", f"{EVENTS};q=0"):
        raw, is_open = ask(request({"count": 3}, accept))
        head, _, body = raw.partition(b"\r\n\r\n")
        assert b"content-length" in head.lower()
        assert json.loads(body)["result"] == [{"k": 0}, {"k": 1}, {"k": 2}]
        assert is_open


def test_the_connection_goes_on_behind_a_stream(ask: Ask) -> None:
    raw, is_open = ask(request({"count": 1}, EVENTS) + request({"count": 2}, "*/*"))
    _, _, second = raw.partition(b"0\r\n\r\n")
    assert json.loads(second.partition(b"\r\n\r\n")[2])["result"] == [{"k": 0}, {"k": 1}]
    assert is_open


def test_old_http_gets_the_parts_until_the_connection_ends(ask: Ask) -> None:
    raw, is_open = ask(request({"count": 2}, LINES, version="1.0"))
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert body == b'{"result":{"k":0}}\n{"result":{"k":1}}\n'
    assert not is_open


def test_no_part_at_all_is_a_stream_too(ask: Ask) -> None:
    _, body, is_whole = unchunked(ask(request({"count": 0}, EVENTS))[0])
    assert (body, is_whole) == (b"", True)


@pytest.mark.parametrize(("how", "status", "words"), [("wrong", 400, "0 is too much"), ("broken", 500, "see the log")])
def test_an_error_before_the_first_part_has_its_status(ask: Ask, how: str, status: int, words: str) -> None:
    for accept in (EVENTS, LINES, "*/*"):
        raw, is_open = ask(request({"count": 3, how: 0}, accept))
        assert raw.startswith(f"HTTP/1.1 {status} ".encode())
        assert words in json.loads(raw.partition(b"\r\n\r\n")[2])["err_msg"]
        assert is_open


@pytest.mark.parametrize(("how", "number"), [("wrong", 2000), ("broken", 1009)])
def test_an_error_behind_it_is_the_last_part(ask: Ask, how: str, number: int) -> None:
    _, body, is_whole = unchunked(ask(request({"count": 3, how: 2}, EVENTS))[0])
    *good, last, nothing = body.split(b"\n\n")
    assert (len(good), nothing, is_whole) == (2, b"", True)
    assert last.startswith(b"event: error\ndata: ")
    error = json.loads(last.partition(b"data: ")[2])
    assert error["err_msg"]
    assert isinstance(error["err_no"], int)
    assert closed.wait(5)


def test_who_leaves_ends_the_work(ask: Ask) -> None:
    async def scene(wire: Wire) -> None:
        wire.send(request({"count": 1000, "pause_s": 0.01}, EVENTS))
        while wire.said.count(b"data:") < 2:
            await asyncio.sleep(0.01)
        assert wire.stream is not None
        wire.stream.connection_lost()
        assert await asyncio.to_thread(closed.wait, 5)

    ask.play(scene)
    assert len(made) < 1000


def test_a_real_client_sees_each_part_when_it_is_made(tmp_path: Path, uci_folder: Path) -> None:
    file = tmp_path / "counts.py"
    file.write_text(
        "import time\n"
        "from paddle_serving_server.web_service import WebService\n"
        "class Counts(WebService):\n"
        "    def preprocess(self, feed=[], fetch=[]):\n"
        "        return {'x': [0.0] * 13}, fetch, False\n"
        "    def postprocess(self, feed=[], fetch=[], fetch_map=None):\n"
        "        for k in range(3):\n"
        "            yield k\n"
        "            time.sleep(0.3)\n"
        "counts = Counts(name='counts')\n"
        f"counts.load_model_config({str(uci_folder)!r})\n"
        "counts.run_web_service()\n"
    )
    with serve(tmp_path, "--service", str(file), "--enable_prometheus") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request(
            "POST", "/counts/prediction", '{"feed": [{}]}', {"Accept": EVENTS, "Content-Type": "application/json"}
        )
        response = connection.getresponse()
        moments = []
        while line := response.readline():
            if line.startswith(b"data: "):
                moments.append(time.monotonic())
        connection.close()
        assert len(moments) == 3
        assert moments[1] - moments[0] > 0.2
        assert _count(server) == "1"


def _count(server: Server) -> str:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(b"GET /vars/request_counts_http_count HTTP/1.0\r\n\r\n")
        return sock.makefile("rb").read().decode().split()[-1]
