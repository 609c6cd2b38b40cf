"""HTTP on a real server: the tutorial's curl, every form of body, and bytes that no honest client sends."""

import gzip
import io
import json
import socket
import threading
import time

import numpy as np
import pytest

from paddle_serving_client.wire import general_model
from tests.data import frames
from tests.models import UCI_INPUT, UCI_PRICE
from tests.serving import HTTP, Server, read_all

JSON = {"Content-Type": "application/json"}
GOOD = json.dumps({"feed": [{"x": UCI_INPUT.tolist()}], "fetch": ["price"]}).encode()


def post(server: Server, path: str, body: bytes, headers: dict[str, str] = JSON) -> tuple[int, dict[str, str], bytes]:
    reply = HTTP.request("POST", server.url + path, body=body, headers=headers, decode_content=False)
    return reply.status, dict(reply.headers), reply.data


def raw(server: Server, data: bytes, wait_s: float = 5.0) -> bytes:
    """Everything the server says to these bytes, until it closes or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait_s) as sock:
        sock.sendall(data)
        return read_all(sock)


def assert_alive(server: Server) -> None:
    status, _, body = post(server, "/uci/prediction", GOOD)
    assert status == 200, body
    assert json.loads(body)["result"]["price"] == [[pytest.approx(UCI_PRICE, abs=1e-4)]]


def test_the_tutorials_curl(uci_server: Server) -> None:
    status, headers, body = post(uci_server, "/uci/prediction", GOOD)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert "infer;dur=" in headers["Server-Timing"]
    assert json.loads(body) == {"result": {"price": [[pytest.approx(UCI_PRICE, abs=1e-4)]]}}


def test_several_instances_and_a_fetch_that_is_text(uci_server: Server) -> None:
    said = {"feed": [{"x": UCI_INPUT.tolist()}, {"x": [0.0] * 13}], "fetch": "price"}
    _, _, body = post(uci_server, "/uci/prediction", json.dumps(said).encode())
    assert np.shape(json.loads(body)["result"]["price"]) == (2, 1)


@pytest.mark.parametrize("fetch", [[], ["nope"]])
def test_no_known_fetch_means_all(uci_server: Server, fetch: list[str]) -> None:
    said = {"feed": [{"x": UCI_INPUT.tolist()}], "fetch": fetch}
    _, _, body = post(uci_server, "/uci/prediction", json.dumps(said).encode())
    assert list(json.loads(body)["result"]) == ["price"]


@pytest.mark.parametrize(
    ("feed", "words"),
    [
        ([{"x": [1.0, 2.0]}], "an instance of it [13], got [2]: axis 1 is 2, not 13"),
        ([], "at least one"),
        ({"x": [1.0]}, "list"),
        ([{"y": [1.0]}], "'x'"),
        ([{"x": UCI_INPUT.tolist(), "zz": 1}], "'zz'"),
        ([{"x": ["a"] * 13}], "float32"),
        ([{"x": [True] * 13}], "float32"),
        ([{"x": [[1.0], [1.0, 2.0]]}], "'x'"),
        ([{"x": None}], "float32"),
    ],
)
def test_a_bad_feed_is_named(uci_server: Server, feed: object, words: str) -> None:
    status, _, body = post(uci_server, "/uci/prediction", json.dumps({"feed": feed, "fetch": ["price"]}).encode())
    said = json.loads(body)
    assert status == 400
    assert words in said["err_msg"], said
    assert said["err_no"] == 5000
    assert said["result"] == said["err_msg"]
    assert_alive(uci_server)


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"", JSON, 400, "JSON"),
        (GOOD[:-1], JSON, 400, "JSON"),
        (b"[1]", JSON, 400, "object"),
        (b'{"fetch":["price"]}', JSON, 400, "feed"),
        (b'{"feed":[{"x":[NaN]}],"fetch":[]}', JSON, 400, "JSON"),
        (b'{"feed":' + b"[" * 100_000, JSON, 400, "JSON"),
        (b'{"feed":[' + b'{"a":1},' * (4 << 20) + b"{}]}", JSON, 413, "values and keys in the JSON body"),
        (b'{"feed":[' + b"{}," * (1 << 17) + b"{}]}", JSON, 413, "arrays and objects in the JSON body"),
        (GOOD[:-1] + b',"feed":[]}', JSON, 400, "'feed' stands twice"),
        (GOOD.replace(b'"x"', b'"x":[],"x"'), JSON, 400, "'x' stands twice"),
        (
            GOOD.replace(b"0.013700000010430813", b"true"),
            JSON,
            400,
            "feed[0]: input 'x' must be float32[-1, 13], got true",
        ),
        (
            GOOD.replace(b"0.013700000010430813", b"1e300"),
            JSON,
            400,
            "feed[0]: input 'x' has 1e+300, which float32",
        ),
        (GOOD, {"Content-Type": "text/plain"}, 415, "application/json"),
        (GOOD, {}, 415, "no Content-Type"),
        (GOOD, {**JSON, "Content-Encoding": "br"}, 415, "gzip"),
        (gzip.compress(GOOD)[:-4], {**JSON, "Content-Encoding": "gzip"}, 400, "gzip"),
        (gzip.compress(bytes(200 << 20)), {**JSON, "Content-Encoding": "gzip"}, 413, "grow"),
    ],
)
def test_a_bad_body_is_refused(
    uci_server: Server, body: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    got, _, said = post(uci_server, "/uci/prediction", body, headers)
    assert (got, words in said.decode()) == (status, True), said
    assert_alive(uci_server)


def test_gzip_both_ways(uci_server: Server) -> None:
    said = {"feed": [{"x": UCI_INPUT.tolist()}] * 64, "fetch": ["price"]}
    headers = {**JSON, "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    status, got, body = post(uci_server, "/uci/prediction", gzip.compress(json.dumps(said).encode()), headers)
    assert (status, got["Content-Encoding"]) == (200, "gzip")
    assert len(json.loads(gzip.decompress(body))["result"]["price"]) == 64


def test_unknown_places_say_what_there_is(uci_server: Server) -> None:
    for path in ("/nope/prediction", "/uci", "/uci/prediction/x", "/GeneralModelService/nope"):
        status, _, body = post(uci_server, path, GOOD)
        assert status == 404, (path, body)
    _, _, body = post(uci_server, "/nope/prediction", GOOD)
    assert "'uci'" in json.loads(body)["err_msg"]
    assert HTTP.request("GET", uci_server.url + "/uci/prediction").status == 405


def test_the_pages(uci_server: Server) -> None:
    health = HTTP.request("GET", uci_server.url + "/health")
    assert (health.status, health.data) == (200, b"OK")
    (service,) = json.loads(HTTP.request("GET", uci_server.url + "/services").data)["services"]
    assert service["name"] == "uci"
    answered = {"shape": [1, 13], "value": 0.5}
    assert service["inputs"] == [{"name": "x", "dtype": "float32", "shape": [-1, 13], "sample": answered}]
    assert "numpy" in json.loads(HTTP.request("GET", uci_server.url + "/version").data)


@pytest.mark.parametrize("name", ["http_json_uci.bin", "http_proto_uci.bin", "http_proto_uci_gzip.bin"])
def test_the_original_http_clients_requests(uci_server: Server, name: str) -> None:
    """Bytes that HttpClient 0.9.0 sent are answered in the form it asked for."""
    said = raw(uci_server, frames.read(name).replace(b"keep-alive", b"close     "))
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), said
    if b"gzip" in head:
        body = gzip.decompress(body)
    if "json" in name:
        (tensor,) = json.loads(body)["outputs"][0]["tensor"]
        assert (tensor["name"], tensor["alias_name"], tensor["elem_type"]) == ("fc_0.tmp_1", "price", 1)
        assert tensor["shape"] == [1, 1]
    else:
        (wire,) = general_model.decode_response(body).outputs[0].tensors
        assert (wire.name, wire.alias, wire.array.dtype.name) == ("fc_0.tmp_1", "price", "float32")
        assert wire.array.shape[1:] == (1,)


def test_general_model_errors_are_brpc_texts(uci_server: Server) -> None:
    said = {"tensor": [{"float_data": [1.0], "shape": [1, 1], "elem_type": 1, "name": "x"}]}
    status, headers, body = post(uci_server, "/GeneralModelService/inference", json.dumps(said).encode())
    assert (status, headers["Content-Type"], headers["x-bd-error-code"]) == (400, "text/plain", "1003")
    assert b"'x' must be float32[-1, 13], got float32[1, 1]" in body


HEAD = b"POST /uci/prediction HTTP/1.1\r\nContent-Type: application/json\r\n"
BODY = b"Content-Length: %d\r\n\r\n%s" % (len(GOOD), GOOD)
HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + BODY, 400),  # no Host
        (HEAD + HOST + HOST + BODY, 400),
        (HEAD + b"Host: a/b?c\r\n" + BODY, 400),
        (HEAD + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (HEAD + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + HOST + b"Content-Length: 0x4\r\n\r\n", 400),
        (HEAD + HOST + b"Content-Length: %d\r\n\r\n" % (1 << 62), 413),
        (HEAD + HOST + b"Content-Length: %d\r\n\r\n" % (1 << 70), 400),
        (HEAD + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (HEAD + HOST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", 400),
        (HEAD + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 70_000, 413),
        (HEAD.replace(b"\r\n", b"\n") + b"Host: x\n\n", 400),
        (HEAD + HOST + b"A: b\r\n c\r\n" + BODY, 400),
        (b"POST /uci/prediction HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"POST /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (HEAD + HOST + b"A: " + b"b" * 9000 + b"\r\n\r\n", 431),
        (HEAD + HOST + b"A: b\r\n" * 101 + b"\r\n", 431),
        (HEAD + HOST + b"A: " + b"b" * (1 << 20), 431),
        (HEAD + HOST + b"Expect: lunch\r\n" + BODY, 417),
    ],
)
def test_odd_framing_is_refused_and_closed(uci_server: Server, data: bytes, status: int) -> None:
    said = raw(uci_server, data)
    assert said.startswith(b"HTTP/1.1 %d " % status), said[:200]
    assert b"Connection: close" in said
    assert_alive(uci_server)


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n", b"\x16\x03\x01\x02\x00", b"*1\r\n$4\r\nPING\r\n", bytes(range(256))]
)
def test_other_protocols_are_closed_quietly(uci_server: Server, data: bytes) -> None:
    assert raw(uci_server, data) == b""
    assert_alive(uci_server)


def test_pipelined_requests_are_answered_in_order(uci_server: Server) -> None:
    one = HEAD + HOST + BODY
    said = raw(uci_server, one * 40 + b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200") == 41
    assert said.endswith(b"OK")


def test_a_framing_error_behind_good_requests_leaves_these_answered(uci_server: Server) -> None:
    said = raw(uci_server, (HEAD + HOST + BODY) * 2 + b"NONSENSE\r\n\r\n")
    assert said.count(b"HTTP/1.1 200") == 2
    assert said.count(b"HTTP/1.1 400") == 1


def test_expect_100_continue(uci_server: Server) -> None:
    said = raw(uci_server, HEAD + HOST + b"Connection: close\r\nExpect: 100-continue\r\n" + BODY)
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


def test_who_sends_a_body_over_the_limit_to_its_end_reads_why_it_is_refused(uci_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=5) as sock:
        sock.sendall(HEAD + HOST + b"Content-Length: %d\r\n\r\n" % (100 << 20))
        for _ in range(100):
            sock.sendall(bytes(1 << 20))
        assert read_all(sock).startswith(b"HTTP/1.1 413 ")


def test_a_request_in_single_bytes(uci_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=5) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in HEAD + HOST + b"Connection: close\r\n" + BODY:
            sock.send(bytes([byte]))
        assert read_all(sock).startswith(b"HTTP/1.1 200")


def test_half_close_after_a_request_still_gets_the_answer(uci_server: Server) -> None:
    with socket.create_connection(("127.0.0.1", uci_server.port), timeout=5) as sock:
        sock.sendall(HEAD + HOST + BODY)
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")  # said where the answer takes longer
        assert answer.startswith(b"HTTP/1.1 200")


def test_callers_who_leave_disturb_nobody(uci_server: Server) -> None:
    def leave() -> None:
        for cut in range(1, len(HEAD + HOST + BODY), 7):
            with socket.create_connection(("127.0.0.1", uci_server.port)) as sock:
                sock.sendall((HEAD + HOST + BODY)[:cut])

    leavers = [threading.Thread(target=leave) for _ in range(4)]
    for thread in leavers:
        thread.start()
    started = time.monotonic()
    while time.monotonic() - started < 1.0:
        assert_alive(uci_server)
    for thread in leavers:
        thread.join()


def test_a_picture_for_a_service_of_numbers_is_refused(uci_server: Server) -> None:
    status, _, body = post(
        uci_server, "/uci/prediction", io.BytesIO(b"\xff\xd8").getvalue(), {"Content-Type": "image/jpeg"}
    )
    assert (status, "'x'" in body.decode()) == (400, True)
