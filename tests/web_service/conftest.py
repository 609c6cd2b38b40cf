"""A model server with three small services, the page in front of it, and a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests import models
from tests.serving import Server, free_port, serve
from tests.web_service.page import SERVICES, page_of, picture

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Three services: uci (numbers, RPC), reader (pictures), words (JSON)."""
    folder = tmp_path_factory.mktemp("page-server")
    model = str(models.uci(folder / "uci_housing"))
    services = [flag for name in ("reader", "words") for flag in ("--service", str(SERVICES / f"{name}.py"))]
    with serve(folder, "--model", model, "--name", "uci", *services, "--", model) as running:
        yield running


@pytest.fixture(scope="session")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of every kind that there is; see `kinds`."""
    pytest.importorskip("onnx")  # not for every Python yet
    from tests.web_service import kinds

    with kinds.server_of_all(tmp_path_factory.mktemp("kinds")) as running:
        yield running


@pytest.fixture(scope="session")
def url(page_server: Server) -> Iterator[str]:
    """The page of that server."""
    with page_of(page_server.url) as address:
        yield address


@pytest.fixture(scope="session")
def orphan() -> Iterator[str]:
    """A page whose server is not there."""
    with page_of(f"http://127.0.0.1:{free_port()}") as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Per module: while Playwright runs, this thread has an event loop that other tests would trip over."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no {CHROMIUM}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an address in a fresh profile; at the end nothing may have thrown or been blocked by the CSP."""
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(address: str, width: int = 1280, locale: str = "en-US") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with a name that a shell must not misread."""
    file = tmp_path_factory.mktemp("photo") / "my photo's.jpg"
    file.write_bytes(picture())
    return file
