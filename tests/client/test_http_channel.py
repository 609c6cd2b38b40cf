import contextlib
import gzip
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_client.errors import BadConfig, BadPacket, DeadlineExceeded, TooLarge, Unreachable
from paddle_serving_client.http_channel import HttpAddress, HttpChannel
from tests.client.http_replay import Answer, Asked, http_replay
from tests.serving import free_port


def echo(asked: Asked) -> Answer:
    return Answer(asked.body)


def channel_to(port: int, **options: Any) -> HttpChannel:
    return HttpChannel(HttpAddress("127.0.0.1", port), **options)


# --- addresses ---


@pytest.mark.parametrize(("url", "wanted"), [
    ("127.0.0.1:9393", HttpAddress("127.0.0.1", 9393)),
    ("http://127.0.0.1:9393", HttpAddress("127.0.0.1", 9393)),
    ("https://127.0.0.1:9393/", HttpAddress("127.0.0.1", 9393, "https")),
    ("localhost:80", HttpAddress("localhost", 80)),
    ("[::1]:9393", HttpAddress("::1", 9393)),
    ("https://serving.example.com", HttpAddress("serving.example.com", 443, "https")),
])  # fmt: skip
def test_addresses(url: str, wanted: HttpAddress) -> None:
    assert HttpAddress.parse(url) == wanted
    assert HttpAddress.parse(str(wanted)) == wanted


@pytest.mark.parametrize("url", [
    "", "127.0.0.1", ":9393", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:0", "ftp://127.0.0.1:21", "http://",
    "127.0.0.1:9393/path", "http://127.0.0.1:9393?a=1", "http://me@127.0.0.1:9393", "::1:9393x",
    "a b:9393", "a\nb:9393",
])  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    told = "^url not right, it should be like 127.0.0.1:9393 or http://127.0.0.1:9393"
    with pytest.raises(BadConfig, match=told):
        HttpAddress.parse(url)


# --- connections ---


def test_calls_in_a_row_use_one_connection() -> None:
    with http_replay(echo) as server:
        channel = channel_to(server.port)
        for k in range(5):
            assert channel.post("/a", b"%d" % k, {"X-Of-Mine": "1"}).body == b"%d" % k
    assert server.connections == 1
    assert {(asked.path, asked.headers["x-of-mine"]) for asked in server.asked} == {("/a", "1")}


def test_a_kept_connection_that_the_server_closed_is_no_failure() -> None:
    with http_replay(lambda asked: Answer(b"x", closes=True)) as server:
        channel = channel_to(server.port)
        for _ in range(3):
            assert channel.post("/", b"", {}, 5.0, retries=0).body == b"x"
            time.sleep(0.05)
    assert len(server.asked) == 3


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_as_many_attempts_as_allowed(retries: int) -> None:
    with http_replay(lambda asked: None) as server:
        with pytest.raises(Unreachable, match=f"{server.endpoint} closed the connection without an answer"):
            channel_to(server.port).post("/", b"", {}, 5.0, retries)
        assert len(server.asked) == 1 + retries


def test_nobody_there() -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=f"http://127.0.0.1:{port}: cannot connect: Connection refused"):
        channel_to(port).post("/", b"", {}, 5.0, 2)
    with pytest.raises(Unreachable, match="the host name cannot be resolved"):
        HttpChannel(HttpAddress("nowhere.invalid", 80)).post("/", b"", {}, 5.0)


def test_one_deadline_for_everything() -> None:
    gone = threading.Event()

    def late(asked: Asked) -> Answer:
        gone.wait(5)
        return Answer()

    with http_replay(late) as server:
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded, match="no answer within 200 ms"):
            channel_to(server.port).post("/", b"", {}, 0.2, retries=3)
        assert 0.18 < time.monotonic() - start < 2
        gone.set()
    assert len(server.asked) == 1


def test_an_answer_that_ends_too_early() -> None:
    cut = Answer(b"short", headers={"Content-Length": "9"}, closes=True)
    with http_replay(lambda asked: cut) as server, pytest.raises(Unreachable, match="in the middle of the answer"):
        channel_to(server.port).post("/", b"", {}, 5.0)


def test_a_server_that_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as sock:
                sock.recv(4096)
                sock.sendall(b"PRPC\0\0\0\0\0\0\0\0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(BadPacket, match="does not answer as an HTTP server"):
            channel_to(listener.getsockname()[1]).post("/", b"", {}, 5.0)
        thread.join(5)


def test_close_lets_the_next_call_connect_again() -> None:
    with http_replay(echo) as server:
        channel = channel_to(server.port)
        channel.post("/", b"1", {})
        channel.close()
        channel.close()
        assert channel.post("/", b"2", {}).body == b"2"
    assert server.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")
def test_after_a_fork_the_child_has_connections_of_its_own() -> None:
    with http_replay(echo) as server:
        channel = channel_to(server.port)
        channel.post("/", b"parent", {})
        child = os.fork()
        if child == 0:
            try:
                is_right = all(channel.post("/", b"child %d" % k, {}, 5.0).body == b"child %d" % k for k in range(20))
                os._exit(0 if is_right else 1)
            finally:
                os._exit(2)
        for k in range(20):
            assert channel.post("/", b"parent %d" % k, {}, 5.0).body == b"parent %d" % k
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert server.connections == 2


# --- bodies ---


def chunked(asked: Asked) -> Answer:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (b"some", b"thing", b""))
    return Answer(body, headers={"Transfer-Encoding": "chunked"})


def test_an_answer_in_chunks() -> None:
    with http_replay(chunked) as server:
        channel = channel_to(server.port)
        for _ in range(2):
            assert channel.post("/", b"", {}).body == b"something"
    assert server.connections == 1
    with http_replay(chunked) as server, pytest.raises(TooLarge):
        channel_to(server.port, max_reply_bytes=8).post("/", b"", {})


@pytest.mark.parametrize("body", [b"", b"x", b"x" * (3 << 20)])
def test_bodies_of_any_size(body: bytes) -> None:
    with http_replay(echo) as server:
        assert channel_to(server.port).post("/", body, {}).body == body


@pytest.mark.parametrize("body", [b"", b"x", b"x" * (3 << 20)])
def test_an_answer_that_ends_the_connection(body: bytes) -> None:
    with http_replay(lambda asked: Answer(body, headers={"Connection": "close"})) as server:
        channel = channel_to(server.port)
        for _ in range(2):
            assert channel.post("/", b"", {}, 5.0).body == body
    assert server.connections == 2


def test_an_answer_that_ends_with_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as sock:
                sock.recv(4096)
                sock.sendall(b"HTTP/1.0 200 OK\r\n\r\nsome")
                sock.sendall(b"thing")

        thread = threading.Thread(target=answer)
        thread.start()
        assert channel_to(listener.getsockname()[1]).post("/", b"", {}, 5.0).body == b"something"
        thread.join(5)


def test_compressed_answers() -> None:
    packed = gzip.compress(b"y" * 5000)
    with http_replay(lambda asked: Answer(packed, headers={"Content-Encoding": "gzip"})) as server:
        assert bytes(channel_to(server.port).post("/", b"", {}).body) == b"y" * 5000


@pytest.mark.parametrize(("body", "encoding", "text"), [
    (b"y", "br", "Content-Encoding 'br'; gzip can be read"),
    (gzip.compress(b"y" * 5000)[:-9], "gzip", "gzip"),
])  # fmt: skip
def test_answers_that_cannot_be_unpacked(body: bytes, encoding: str, text: str) -> None:
    answer = Answer(body, headers={"Content-Encoding": encoding})
    with http_replay(lambda asked: answer) as server, pytest.raises(BadPacket, match=text):
        channel_to(server.port).post("/", b"", {})


@pytest.mark.parametrize("answer", [
    Answer(b"z" * 1001),
    Answer(headers={"Content-Length": "999999999999"}),
    Answer(gzip.compress(b"z" * 1001), headers={"Content-Encoding": "gzip"}),
], ids=["came", "announced", "unpacked"])  # fmt: skip
def test_an_answer_over_the_limit(answer: Answer) -> None:
    with http_replay(lambda asked: answer) as server, pytest.raises(TooLarge):
        channel_to(server.port, max_reply_bytes=1000).post("/", b"", {}, 5.0)


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    both = folder / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    both.write_bytes((folder / "cert").read_bytes() + (folder / "key").read_bytes())
    return both


def tls_server(certificate: Path) -> contextlib.AbstractContextManager[Any]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return http_replay(echo, context)


def test_a_certificate_is_checked_unless_told_otherwise(certificate: Path) -> None:
    with tls_server(certificate) as server:
        address = HttpAddress("127.0.0.1", server.port, "https")
        with pytest.raises(Unreachable, match="no TLS connection: self-signed certificate"):
            HttpChannel(address).post("/", b"x", {}, 5.0, retries=3)
        for verify in (str(certificate), False):
            channel = HttpChannel(address, verify)
            for _ in range(2):
                assert channel.post("/", b"x", {}, 5.0).body == b"x"
    with pytest.raises(BadConfig, match="verify='no such file' is not a file of certificates"):
        HttpChannel(address, "no such file")


def test_tls_to_a_server_without() -> None:
    with http_replay(echo) as server, pytest.raises(Unreachable, match="no TLS connection"):
        HttpChannel(HttpAddress("127.0.0.1", server.port, "https")).post("/", b"x", {}, 5.0)


# --- proxies ---


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def set_to(url: str, no_proxy: str = "") -> None:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, url)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv("no_proxy", no_proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)

    return set_to


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_no_proxy_for_this_machine(proxied: Callable[..., None], host: str) -> None:
    proxied(f"http://127.0.0.1:{free_port()}")
    with http_replay(echo) as server:
        assert HttpChannel(HttpAddress(host, server.port)).post("/", b"x", {}, 5.0).body == b"x"


def test_others_are_asked_through_the_proxy(proxied: Callable[..., None]) -> None:
    with http_replay(echo) as proxy:
        proxied(f"http://me:p%40ss@{proxy.endpoint}")
        channel = HttpChannel(HttpAddress("serving.invalid", 9393))
        assert channel.post("/a", b"x", {}, 5.0).body == b"x"
        (asked,) = proxy.asked
        assert (asked.path, asked.headers["host"]) == ("http://serving.invalid:9393/a", "serving.invalid:9393")
        assert asked.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
        proxied(f"http://{proxy.endpoint}", no_proxy="serving.invalid")
        with pytest.raises(Unreachable, match="cannot be resolved"):
            HttpChannel(HttpAddress("serving.invalid", 9393)).post("/", b"x", {}, 5.0)


def test_a_proxy_that_cannot_be_used(proxied: Callable[..., None]) -> None:
    proxied("socks5://me:secret@127.0.0.1:1080")
    with pytest.raises(BadConfig, match="must be http://host:port") as caught:
        HttpChannel(HttpAddress("serving.invalid", 9393))
    assert "secret" not in str(caught.value)
