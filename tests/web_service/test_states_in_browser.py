"""What the page says of services that do not answer, while that changes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests import models
from tests.serving import HTTP, Server, serve

Visit = Callable[..., Page]
CHANGED_MS = 30_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("states")
    with serve(folder, "--model", str(models.uci(folder / "uci")), "--name", "uci") as running:
        yield running


def change(server: Server, method: str, path: str, body: Any, status: int = 200) -> None:
    reply = HTTP.request(method, f"{server.url}/registry/{path}", json=body)
    assert reply.status == status, reply.data


def broken(folder: Path) -> Path:
    made = models.uci(folder)
    (made / "model.pdiparams").write_bytes(b"no weights at all")
    return made


def test_one_that_is_refused_says_why_and_is_asked_when_it_is_mended(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    folder = broken(tmp_path / "late")
    change(server, "PUT", "late", {"path": str(folder)}, 409)
    page = visit(f"{server.url}/#late")
    expect(page.locator("#lead")).to_have_text("It could not be loaded, and answers nobody.")
    expect(page.locator("#state")).to_contain_text("Why it was refused")
    expect(page.locator("#state pre").first).to_contain_text("not a Paddle parameter")
    expect(page.locator("#services a[aria-current]")).to_contain_text("refused")
    for part in ("#form", "#numbers-result", "#code", "#timing", "#drop"):
        expect(page.locator(part)).to_be_hidden()
    assert "still loading" not in page.locator("body").inner_text()
    models.uci(folder)
    change(server, "POST", "late/load", {})
    expect(page.locator("#state")).to_be_hidden(timeout=CHANGED_MS)
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("output")).to_be_visible()
    change(server, "POST", "late/unload", {})
    expect(page.locator("#lead")).to_have_text(
        "It is registered, and not loaded. It answers nobody.", timeout=CHANGED_MS
    )
    expect(page.locator("#form")).to_be_hidden()
    assert page.locator("#state code").first.inner_text() == f"curl -X POST {server.url}/registry/late/load"
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#services a[aria-current]")).to_contain_text("未加载")


def test_a_change_that_is_refused_is_told_while_the_one_before_answers(
    server: Server, visit: Visit, tmp_path: Path
) -> None:
    page = visit(f"{server.url}/#uci")
    expect(page.locator("#state")).to_be_hidden()
    change(server, "PUT", "uci", {"path": str(broken(tmp_path / "worse"))}, 409)
    expect(page.locator("#state")).to_contain_text(
        "The last change is refused; what was there before goes on", timeout=CHANGED_MS
    )
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("output")).to_have_text("18.901152")


def test_versions_and_the_one_that_answers(server: Server, visit: Visit, tmp_path: Path) -> None:
    for number in (1, 2):
        models.uci(tmp_path / "many" / str(number))
    change(server, "PUT", "many", {"path": str(tmp_path / "many"), "versions": "all"})
    page = visit(f"{server.url}/#many", width=380)
    rows = page.locator(".versions tbody tr")
    expect(rows).to_have_text(["2defaultanswers", "1answers"])
    change(server, "POST", "many/default", {"version": "1"})
    expect(rows).to_have_text(["2answers", "1defaultanswers"], timeout=CHANGED_MS)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
