"""`/docs` in a real browser: what a visitor reads there, and what is answered to the first click."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.serving import Server
from tests.web_service.page import picture

Visit = Callable[..., Page]


def entry(page: Page, path: str) -> Locator:
    """The part of one path, opened."""
    found = page.locator("details", has=page.get_by_text(path, exact=True))
    if found.get_attribute("open") is None:
        found.locator("summary").click()
    return found


def test_the_first_click_of_a_model_is_answered(page_server: Server, visit: Visit) -> None:
    page = visit(f"{page_server.url}/docs")
    part = entry(page, "/uci/prediction")
    expect(part.locator("textarea")).to_have_value(re.compile(r'\{"feed":\[\{"x":\[0.5'))
    part.get_by_role("button", name="Send").click()
    expect(part.get_by_role("status")).to_have_text(re.compile("^200 OK in"))
    expect(part.locator("pre").first).to_contain_text('"price"')
    expect(part.locator("pre").last).to_contain_text("curl -H 'Content-Type: application/json' -d ")
    expect(part.locator("pre").last).to_contain_text(f"'{page_server.url}/uci/prediction'")


def test_an_error_is_shown_as_one(page_server: Server, visit: Visit) -> None:
    part = entry(visit(f"{page_server.url}/docs"), "/uci/prediction")
    part.locator("textarea").fill('{"feed": [{"x": [1]}]}')
    part.get_by_role("button", name="Send").click()
    expect(part.get_by_role("status")).to_have_text(re.compile("^400 "))
    expect(part.get_by_role("status")).to_have_class("status bad")
    expect(part.locator("pre").first).to_contain_text("axis 1 is 1, not 13")


def test_a_picture_is_sent_as_a_file(page_server: Server, visit: Visit, tmp_path: Path) -> None:
    part = entry(visit(f"{page_server.url}/docs"), "/reader/prediction")
    file = tmp_path / "picture.png"
    file.write_bytes(picture())
    part.locator("input[type=file]").set_input_files(file)
    part.get_by_role("button", name="Send").click()
    expect(part.get_by_role("status")).to_have_text(re.compile("^200 OK in"))


def test_what_a_browser_may_not_ask_has_no_button(page_server: Server, visit: Visit) -> None:
    part = entry(visit(f"{page_server.url}/docs"), "/services/uci/reload")
    expect(part.locator("pre")).to_contain_text("curl -X POST")
    expect(part.get_by_role("button", name="Send")).to_have_count(0)


def test_an_example_that_is_too_long_to_read_is_sent(all_kinds: Server, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{all_kinds.url}/docs")
    for path in ("/map/prediction", "/detector/prediction", "/split/{method}"):
        part = entry(page, path)
        part.get_by_role("button", name="Send").click()
        expect(part.get_by_role("status")).to_have_text(re.compile("^200 OK in"))
    command = entry(page, "/map/prediction").locator("pre").last.inner_text()
    done = subprocess.run(["bash", "-c", f"{command} -s"], capture_output=True, cwd=tmp_path, timeout=30)
    assert b'"mask"' in done.stdout, done.stderr
