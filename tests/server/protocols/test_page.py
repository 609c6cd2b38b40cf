"""The page at `/`: browsers get it, everybody else gets what `/` always was; its files, and no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from paddle_serving_server.services.web_service import WebService
from paddle_serving_server.showing import page
from tests.server.protocols.transport import Ask, serving

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, WebService("uci"), WebService("static")) as ask:
        yield ask


def get(ask: Ask, path: str, **headers: str) -> tuple[int, str, bytes]:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    raw, _ = ask(f"GET {path} HTTP/1.1\r\nHost: a.example:80\r\n{lines}\r\n".encode())
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head.decode().lower(), body


def test_a_browser_gets_the_page_and_others_the_list(ask: Ask) -> None:
    status, head, body = get(ask, "/", Accept=BROWSER)
    assert (status, b'<html lang="en">' in body, b'data-route="direct"' in body) == (200, True, True)
    assert "script-src" not in head
    assert "default-src 'self'" in head
    assert "vary: accept, accept-language, cookie" in head
    for accept in ("*/*", "application/json", "text/html;q=0"):
        status, head, body = get(ask, "/", Accept=accept)
        assert (status, "text/plain" in head, b"/uci/prediction" in body) == (200, True, True)
    assert b"<h2>Services</h2>" in get(ask, "/index", Accept=BROWSER)[2]


def test_what_stands_in_the_page_is_never_markup() -> None:
    drawn = page.render("en", server='"><b>', route="direct")
    assert "<b>" not in drawn
    assert "&quot;&gt;&lt;b&gt;" in drawn
    assert "{{" not in drawn


@pytest.mark.parametrize(
    ("path", "kind"),
    [("js/main.js", "text/javascript"), ("css/page.css", "text/css"), ("strings/zh.json", "application/json")]
    + [("favicon.svg", "image/svg+xml"), ("samples/shapes.jpg", "image/jpeg")],
)
def test_the_files_of_the_page(ask: Ask, path: str, kind: str) -> None:
    status, head, body = get(ask, f"/static/{path}")
    assert (status, body) == (200, page.files()[path].read_bytes())
    assert f"content-type: {kind}" in head
    assert "nosniff" in head
    tag = next(line for line in head.split("\r\n") if line.startswith("etag: ")).removeprefix("etag: ")
    assert get(ask, f"/static/{path}", If_None_Match=tag)[0] == 304


@pytest.mark.parametrize("path", ["js", "js/", "../pyproject.toml", "%2e%2e/pyproject.toml", "js/..%2f..%2fREADME.md"])
def test_nothing_else_is_a_file(ask: Ask, path: str) -> None:
    assert get(ask, f"/static/{path}")[0] == 404


def test_a_service_may_be_called_as_the_folder_is(ask: Ask) -> None:
    raw, _ = ask(
        b"POST /static/prediction HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert b'the body has no \\"feed\\"' in raw


@pytest.mark.parametrize(
    ("accepted", "cookies", "expected"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "", "zh"), ("en;q=0.5,zh;q=0.9", "", "zh"), ("zh;q=0,fr", "", "en")]
    + [("en", "a=b; lang=zh", "zh"), ("zh", "slang=en", "zh"), ("", "", "en"), ("zh;q=nan", "", "en")],
)
def test_language(accepted: str, cookies: str, expected: str) -> None:
    assert page.language(accepted, cookies) == expected
