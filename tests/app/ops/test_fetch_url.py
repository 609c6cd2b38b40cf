import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from paddle_serving_app.ops.decode import decode
from paddle_serving_app.ops.fetch_url import URL2Image, is_public
from paddle_serving_client.errors import BadInput, DeadlineExceeded, TooLarge, UnsupportedMedia
from tests.app.ops.recorded import PICTURES

PHOTO = (PICTURES / "flower.jpg").read_bytes()


class Site(BaseHTTPRequestHandler):
    """A web site with the answers that a fetcher has to live with."""

    def do_GET(self) -> None:
        name = self.path.split("?")[0].strip("/")
        if name.startswith("hop"):
            self.answer(302, b"", Location={"hop1": "/photo", "hop2": "/hop1", "hop3": "/hop2"}[name])
        elif name == "away":
            self.answer(302, b"", Location=f"http://localhost:{self.server.server_port}/photo")  # type: ignore[attr-defined]
        elif name == "file":
            self.answer(302, b"", Location="file:///etc/passwd")
        elif name == "short":
            self.answer(200, PHOTO[:100], **{"Content-Length": str(len(PHOTO))})
        elif name == "endless":
            self.answer(200, b"", **{"Content-Length": ""})
            while self.wrote(bytes(65536)):
                pass
        elif name == "slow":
            self.answer(200, b"", **{"Content-Length": "1000000"})
            while self.wrote(b"x"):
                time.sleep(0.05)
        elif name == "packed":
            self.answer(200, PHOTO, **{"Content-Encoding": "gzip"})
        elif name == "text":
            self.answer(200, b"<html>not a picture</html>", **{"Content-Type": "image/jpeg"})
        elif name == "%E7%85%A7%E7%89%87":
            self.answer(200, PHOTO)
        else:
            self.answer(200 if name == "photo" else 500, PHOTO)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wrote(body)

    def wrote(self, body: bytes) -> bool:
        try:
            self.wfile.write(body)
        except OSError:
            return False
        return True

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


LISTED = URL2Image(hosts=["127.0.0.1"], timeout_s=5, max_bytes=1 << 20)


@pytest.mark.parametrize("path", ["/photo", "/photo?size=big picture", "/照片", "/hop1", "/hop2"])
def test_a_listed_host_is_fetched_from(site: str, path: str) -> None:
    assert np.array_equal(LISTED(site + path), decode(PHOTO))


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("/hop3", BadInput, "redirected more than 2 times"),
        ("/away", BadInput, "not among those"),
        ("/file", BadInput, "http:// or https://"),
        ("/short", BadInput, "could not be fetched"),
        ("/endless", TooLarge, "more than 1,048,576 bytes"),
        ("/packed", BadInput, "compressed"),
        ("/text", UnsupportedMedia, "not a picture"),
        ("/broken", BadInput, "status 500"),
    ],
)
def test_answers_that_are_no_picture(site: str, path: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LISTED(site + path)


def test_one_deadline_for_everything(site: str) -> None:
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"within 0\.4 s"):
        URL2Image(hosts=["127.0.0.1"], timeout_s=0.4)(site + "/slow")
    assert time.monotonic() - started < 1.5


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for scheme in ("http", "https"):
            with pytest.raises(DeadlineExceeded):
                URL2Image(hosts=["127.0.0.1"], timeout_s=0.3)(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/")


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(BadInput, match=r"could not be fetched from its URL$"):
        LISTED(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "0x7f000001",
        "2130706433",
        "localhost",
        "localhost.",
        "169.254.169.254",
        "[fd00::1]",
        "[::ffff:10.0.0.1]",
        "[::ffff:8.8.8.8]",
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "224.0.0.1",
    ],
)
def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    with pytest.raises(BadInput, match="not on the public internet"):
        URL2Image()(f"http://{host}/")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("192.168.0.1", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),
        ("ff0e::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_public_addresses(address: str, expected: bool) -> None:
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "http:// or https://"),
        ("ftp://example.com/a.png", "http:// or https://"),
        ("gopher://example.com/", "http:// or https://"),
        ("data:image/png;base64,AAAA", "http:// or https://"),
        ("/etc/passwd", "http:// or https://"),
        ("http://", "name a host"),
        ("http://user@127.0.0.1/", "no user"),
        ("http://example.com:99999/", "cannot be understood"),
        ("http://[::1", "cannot be understood"),
        ("http://example.com/" + "a" * 5000, "at most 4,096"),
        (b"http://example.com/", "a URL is text, got bytes"),
    ],
)
def test_urls_that_are_not_fetched(url: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        URL2Image()(url)
