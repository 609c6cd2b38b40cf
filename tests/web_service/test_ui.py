"""The page's routes over HTTP, in front of a real model server."""

import io
import json
import re
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
import urllib3

from tests import models
from tests.serving import HTTP, ROOT
from tests.web_service.page import UI, page_of, picture

MIB = 1 << 20


def send(
    url: str, service: str, body: bytes, headers: dict[str, str] | None = None, form: dict[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    fields: list[tuple[str, str | tuple[str, bytes]]] = [*(form or {}).items(), ("image", ("a.jpg", body))]
    return HTTP.request("POST", f"{url}/api/services/{service}/picture", fields=fields, headers=headers)


def error_of(reply: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    said = json.loads(reply.data)
    assert said["err_no"] and said["err_msg"]
    return reply.status, said["reason"]


def test_services_are_the_servers_own_with_the_transport_the_page_uses(url: str) -> None:
    said = HTTP.request("GET", f"{url}/api/services").json()
    assert said["state"] == "ready"
    assert [(s["name"], s["kind"], s["rpc"]) for s in said["services"]] == [
        ("uci", "numbers", True),
        ("reader", "image", False),
        ("words", "json", False),
    ]


def test_picture_goes_through_with_its_timing(url: str) -> None:
    reply = send(url, "reader", picture(), form={"fetch": "texts,scores"})
    assert reply.status == 200
    assert set(reply.json()["result"]) == {"texts", "scores"}
    assert "draw;dur=" in reply.headers["Server-Timing"]


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "bmp"])
def test_picture_kinds_are_told_by_content(url: str, kind: str) -> None:
    assert send(url, "reader", picture(kind)).status == 200


@pytest.mark.parametrize("body", [b"hello", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF0000WAVE"])
def test_what_is_no_picture_is_refused(url: str, body: bytes) -> None:
    assert error_of(send(url, "reader", body)) == (415, "not_an_image")


def test_limits_of_an_upload(url: str) -> None:
    jpeg = picture()
    assert error_of(send(url, "reader", b"")) == (400, "bad_input")
    assert send(url, "reader", jpeg + bytes(16 * MIB - len(jpeg))).status == 200
    assert error_of(send(url, "reader", jpeg + bytes(16 * MIB + 1 - len(jpeg)))) == (413, "too_large")
    assert error_of(send(url, "reader", jpeg, form={"fetch": "x" * (101 << 10)})) == (413, "too_large")
    many = {f"field{i}": "x" for i in range(20)}
    assert error_of(send(url, "reader", jpeg, form=many)) == (413, "too_large")
    no_file = HTTP.request("POST", f"{url}/api/services/reader/picture", fields={"fetch": "texts"})
    assert error_of(no_file) == (400, "bad_input")


def test_a_body_far_over_the_limit_is_refused_unread(url: str) -> None:
    with socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), 10) as sock:
        head = f"POST /api/services/reader/picture HTTP/1.1\r\nHost: x\r\nContent-Length: {1 << 30}\r\n\r\n"
        sock.sendall(head.encode())
        assert sock.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("name", ["..%2Fservices", "%2e%2e", "a%20b", "x" * 129, "-x", "a%0d%0ab"])
def test_a_name_never_becomes_a_path(url: str, name: str) -> None:
    assert send(url, name, picture()).status == 404


def test_the_servers_refusals_pass(url: str) -> None:
    status, body = (reply := send(url, "nobody", picture())).status, reply.json()
    assert (status, body["err_no"]) == (404, 3002)
    truncated = send(url, "reader", picture()[:500])
    assert (truncated.status, truncated.json()["err_no"]) == (400, 5000)
    assert send(url, "reader", picture(width=13)).status == 500


def values(url: str, service: str, body: object) -> urllib3.BaseHTTPResponse:
    return HTTP.request("POST", f"{url}/api/services/{service}/values", json=body)


def test_numbers_go_over_rpc(url: str) -> None:
    reply = values(url, "uci", {"feed": {"x": models.UCI_INPUT.tolist()}, "fetch": ["price"]})
    assert reply.json()["result"]["price"] == [[pytest.approx(models.UCI_PRICE, abs=1e-5)]]
    entries = [entry.split(";dur=") for entry in reply.headers["Server-Timing"].split(", ")]
    assert [name for name, _ in entries] == ["network", "before", "infer", "after"]
    assert all(float(ms) >= 0 for _, ms in entries)


@pytest.mark.parametrize(
    "feed",
    [{}, {"x": None}, {"x": "text"}, {"x": [1, 2]}, {"x": [[1], [2, 3]]}, {"x": {"a": 1}}, {"x": [1] * 12 + ["a"]}],
)
def test_values_that_are_no_input_are_refused(url: str, feed: object) -> None:
    assert error_of(values(url, "uci", {"feed": feed})) == (400, "bad_input")


@pytest.mark.parametrize("body", ["words", [], 3, {"feed": []}, {"feed": {"x": [0] * 13}, "fetch": 3}])
def test_bodies_that_are_no_request_are_refused(url: str, body: object) -> None:
    assert error_of(values(url, "uci", body)) == (400, "bad_input")


def test_json_that_is_nested_too_deeply(url: str) -> None:
    body = b'{"feed": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    headers = {"Content-Type": "application/json"}
    assert error_of(HTTP.request("POST", f"{url}/api/services/uci/values", body=body, headers=headers)) == (
        400,
        "bad_input",
    )


def test_services_without_rpc_take_json(url: str) -> None:
    reply = values(url, "words", {"feed": {"words": "to be or not"}})
    assert reply.json() == {"result": {"label": ["short", "long"], "prob": [0.25, 0.75]}}


def test_other_bodies_pass_as_they_are(url: str) -> None:
    files = {"x": ("x.npy", _npy(models.UCI_INPUT[None]))}
    form = HTTP.request("POST", f"{url}/api/services/uci/prediction", fields=files)
    assert form.json()["result"]["price"] == [[pytest.approx(models.UCI_PRICE, abs=1e-5)]]
    headers = {"Content-Type": "application/x-npy"}
    bare = HTTP.request("POST", f"{url}/api/services/uci/prediction", body=files["x"][1], headers=headers)
    assert bare.json() == form.json()
    assert "infer;dur=" in bare.headers["Server-Timing"]
    other = HTTP.request("POST", f"{url}/api/services/uci/prediction", body=b"x", headers={"Content-Type": "text/html"})
    assert error_of(other) == (415, "not_an_image")


def _npy(array: models.F32) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_unknown_service_for_values(url: str) -> None:
    assert error_of(values(url, "nobody", {"feed": {}})) == (404, "no_service")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{url}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "{url}"}, 403),
    ],
)
def test_other_sites_cannot_post(url: str, headers: dict[str, str], status: int) -> None:
    sent = {name: value.format(url=url) for name, value in headers.items()}
    assert send(url, "reader", picture(), headers=sent).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:1", 200), ("[::1]:1", 200), ("localhost", 200), ("a.localhost:8080", 200), ("192.168.7.7", 200)]
    + [("evil.example:8080", 403), ("localhost.evil.example", 403), ("127.0.0.1.evil.example", 403), ("[", 403)],
)
def test_the_page_has_no_other_names(url: str, host: str, status: int) -> None:
    """Else a foreign site could have its own name resolve to this machine, and read what is here as its own."""
    for path in ("/", "/api/services"):
        assert HTTP.request("GET", f"{url}{path}", headers={"Host": host}).status == status


def test_half_requests_leave_room_for_others(url: str) -> None:
    port = int(url.rpartition(":")[2])
    halves = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(300)]
    for half in halves:
        half.sendall(b"GET / HTTP/1.1\r\nHost: ")
    assert HTTP.request("GET", f"{url}/", headers={"Connection": "close"}, timeout=5).status == 200
    for half in halves:
        half.close()


@pytest.mark.parametrize("path", ["/", "/api/services", "/static/js/main.js", "/static/css/page.css", "/nowhere"])
def test_security_headers_are_everywhere(url: str, path: str) -> None:
    headers = HTTP.request("GET", url + path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Server" not in headers


def test_nothing_inline_and_nothing_foreign() -> None:
    page = (ROOT / "web_service" / "templates" / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:|\|\s*safe", page)
    for file in [*(ROOT / "static").rglob("*.js"), *(ROOT / "static").rglob("*.css")]:
        text = file.read_text(encoding="utf-8")
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text, file
        assert not re.search(r"(?:https?:)?//(?!www\.w3\.org/)[a-z]+\.[a-z]", text), file


def sentences(language: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((ROOT / "static" / "strings" / f"{language}.json").read_bytes())
    return found


def test_both_languages_say_everything() -> None:
    english, chinese = sentences("en"), sentences("zh")
    assert list(english) == list(chinese)
    for key in english:
        slots = [set(re.findall(r"\{(\w+)\}", json.dumps(words[key]))) for words in (english, chinese)]
        assert slots[0] == slots[1], key
    used = set()
    sources = [*(ROOT / "static" / "js").glob("*.js"), ROOT / "web_service" / "templates" / "page.html"]
    for file in sources:
        text = file.read_text(encoding="utf-8")
        used |= set(
            re.findall(r"""\bt\(\s*["']([\w.]+)["']|\bt\[['"]([\w.]+)['"]\]|data-t(?:-label)?="([\w.]+)\"""", text)
        )
    assert {next(filter(None, groups)) for groups in used} <= set(english)


@pytest.mark.parametrize(
    ("accepted", "cookie", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "", "zh-CN"),
        ("en-GB,en;q=0.9,zh;q=0.8", "", "en"),
        ("fr", "", "en"),
        ("en", "lang=zh", "zh-CN"),
        ("zh", "lang=en", "en"),
        ("zh", "lang=xx", "zh-CN"),
    ],
)
def test_language_is_the_chosen_one_or_the_browsers(url: str, accepted: str, cookie: str, language: str) -> None:
    reply = HTTP.request("GET", url, headers={"Accept-Language": accepted, "Cookie": cookie})
    assert f'<html lang="{language}">' in reply.data.decode()


def test_without_a_server_the_page_is_there_and_says_so(orphan: str) -> None:
    assert HTTP.request("GET", orphan).status == 200
    assert HTTP.request("GET", f"{orphan}/api/services").json() == {"state": "down", "services": []}
    assert error_of(send(orphan, "reader", picture())) == (503, "server_down")
    assert error_of(values(orphan, "uci", {"feed": {"x": [0] * 13}})) == (503, "server_down")


def test_a_server_that_hangs_and_one_that_is_none_of_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        with page_of(f"http://127.0.0.1:{listening.getsockname()[1]}", "--timeout_s", "0.5") as address:
            assert error_of(send(address, "reader", picture())) == (504, "too_slow")
            answering = threading.Thread(target=_answer_nonsense, args=(listening,))
            answering.start()
            assert HTTP.request("GET", f"{address}/api/services").json()["state"] == "down"
        listening.shutdown(socket.SHUT_RDWR)
        answering.join()


def _answer_nonsense(listening: socket.socket) -> None:
    while True:
        try:
            sock = listening.accept()[0]
        except OSError:
            return
        with sock:
            sock.settimeout(2)
            try:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
            except OSError:
                continue


def test_start_errors_name_what_is_wrong() -> None:
    ui = [sys.executable, str(UI)]
    bad = subprocess.run([*ui, "--server", "127.0.0.1:9393"], capture_output=True, text=True, timeout=30)
    assert bad.returncode == 2 and "http://127.0.0.1:9393" in bad.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        busy = subprocess.run([*ui, "--port", port], capture_output=True, text=True, timeout=30)
    assert busy.returncode == 98 and port in busy.stderr
