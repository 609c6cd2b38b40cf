"""Every kind of service in the browser: a form that works at the first click, and what its fields do."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, Request, expect

from tests.serving import Server
from tests.web_service import kinds
from tests.web_service.page import page_of, picture

Visit = Callable[..., Page]
FORMS = (
    *kinds.MODELS,
    *("uci", "prices", "sequences", "count_words", "echo_bytes", "words", "split", "arrays", "photo", "versions"),
)
PICTURES = ("reader", "things")


def ask(page: Page) -> None:
    page.get_by_role("button", name="Predict").click()
    page.locator("#numbers-result .took").wait_for()


def png(width: int, height: int = 40) -> FilePayload:
    body = cv2.imencode(".png", np.full((height, width, 3), 200, np.uint8))[1].tobytes()
    return {"name": f"a {width}.png", "mimeType": "image/png", "buffer": body}


@pytest.fixture(scope="module")
def proxy(all_kinds: Server) -> Iterator[str]:
    with page_of(all_kinds.url) as address:
        yield address


@pytest.mark.parametrize("by", ["direct", "proxy"])
def test_the_first_click_of_every_kind_is_answered(all_kinds: Server, proxy: str, visit: Visit, by: str) -> None:
    page = visit(all_kinds.url if by == "direct" else proxy, width=380)
    for name in (*FORMS, *PICTURES):
        page.evaluate("name => { location.hash = name }", name)
        expect(page.locator("#services a[aria-current]")).to_have_text(name)
        if name in PICTURES:
            page.locator("button.sample").first.click()
            page.locator("#picture-result .line-row").first.wait_for()
        else:
            ask(page)
        expect(page.locator(".failure:visible, #field-error:not(:empty)")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name


@pytest.mark.parametrize(("name", "kind"), [("classes", "application/x-npy"), ("detector", "multipart/form-data")])
def test_pictures_travel_in_binary(all_kinds: Server, visit: Visit, name: str, kind: str) -> None:
    page = visit(f"{all_kinds.url}/#{name}")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    ask(page)
    (request,) = sent
    assert request.headers["content-type"].startswith(kind)


def test_a_table_has_a_field_for_each_of_a_row(all_kinds: Server, visit: Visit) -> None:
    page = visit(f"{all_kinds.url}/#prices")
    crimes = page.get_by_label("Crimes a year and head (crimes)")
    expect(crimes).to_have_value("3.61")
    expect(page.locator(".field", has=crimes).locator("small")).to_have_text("at least 0 · 3.61 if left empty")
    zoned = page.get_by_label("zoned (%)")
    expect(page.locator(".field", has=zoned)).to_contain_text("Land for large houses · 0 to 100")
    expect(page.get_by_label("city").locator("option")).to_have_text(["Oslo", "東京"])
    expect(page.get_by_label("by_the_river")).to_be_checked()
    ask(page)
    answer = page.locator("output")
    before = answer.inner_text()
    page.get_by_label("city").select_option("東京")
    expect(answer).not_to_have_text(before)
    page.get_by_label("city").select_option("Oslo")
    page.get_by_label("by_the_river").uncheck()
    expect(answer).not_to_have_text(before)
    page.get_by_label("by_the_river").check()
    crimes.fill("")
    expect(answer).to_have_text(before)  # by its default
    assert '"crime"' not in page.locator("#code code").first.inner_text()
    zoned.fill("101")
    expect(page.locator("#field-error")).to_have_text("zoned must be at most 100")
    expect(zoned).to_have_attribute("aria-invalid", "true")
    page.reload()
    expect(page.get_by_label("zoned (%)")).to_have_value("11.36")


def test_a_pipeline_is_sent_its_keys(all_kinds: Server, visit: Visit) -> None:
    page = visit(f"{all_kinds.url}/#split")
    text = page.get_by_label("x", exact=True)
    expect(text).to_have_value(re.compile(r"^0\.5, 0\.5"))
    ask(page)
    expect(page.locator("output")).to_have_text(re.compile(r"^\d+\.\d+$"))
    text.fill("1, 2")
    expect(page.locator(".failure")).to_contain_text("split")
    page.evaluate("location.hash = 'photo'")
    page.locator(".input-picture").wait_for()
    page.set_input_files("#form input[type=file]", png(30))
    ask(page)
    expect(page.locator(".bars .ms")).to_have_text(["40", "30"])
    page.reload()
    expect(page.locator(".bars .ms")).to_have_text(["40", "30"])
    expect(page.locator(".picture-settings")).to_contain_text("a 30.png")


def test_a_handler_takes_json_or_a_file(all_kinds: Server, visit: Visit) -> None:
    page = visit(f"{all_kinds.url}/#count_words", locale="zh-CN")
    expect(page.locator("h1")).to_have_text("数词")
    expect(page.locator("#form textarea")).to_have_value(json.dumps({"text": "three short words"}, indent=2))
    page.get_by_role("button", name="EN", exact=True).click()
    page.evaluate("location.hash = 'echo_bytes'")
    expect(page.locator("#lead")).to_contain_text("does not say what it takes")
    page.get_by_role("button", name="File", exact=True).click()
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#field-error")).to_have_text("No file is chosen")
    page.set_input_files("#form input[type=file]", png(30))
    ask(page)
    shown = page.locator("#numbers-result img")
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 30
    page.set_input_files("#form input[type=file]", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"<b>hi</b>"})
    expect(page.locator("#numbers-result pre")).to_have_text("<b>hi</b>")
    page.reload()
    expect(page.locator("#numbers-result pre")).to_have_text("<b>hi</b>")
    expect(page.locator("#form")).to_contain_text("a.txt, 9 B")


def test_things_have_the_colour_of_their_class(all_kinds: Server, visit: Visit) -> None:
    page = visit(f"{all_kinds.url}/#things")
    page.set_input_files("#file", png(200, 200))
    rows = page.locator(".line-row")
    expect(rows).to_have_count(4)
    expect(page.locator("#picture-result h2")).to_have_text("4 things found")
    expect(rows.nth(3).locator(".said")).to_have_text("<b>bird</b>")
    stroke = "line => getComputedStyle(line).stroke"
    colours = [page.locator(".box .line").nth(k).evaluate(stroke) for k in range(4)]
    assert colours[0] == colours[2]
    assert len(set(colours)) == 3
    mark = "row => getComputedStyle(row.querySelector('.nth'), '::before').backgroundColor"
    assert [rows.nth(k).evaluate(mark) for k in range(4)] == colours


def test_what_runs_can_be_cancelled(all_kinds: Server, visit: Visit) -> None:
    page = visit(f"{all_kinds.url}/#count_words")
    page.locator("#form textarea").fill('{"text": "a b", "seconds": 3}')
    page.get_by_role("button", name="Predict").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#numbers-result .failure")).to_contain_text("cancelled before the answer came")
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()
    page.evaluate("location.hash = 'things'")
    page.set_input_files("#file", png(13))
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#picture-result .failure")).to_contain_text("cancelled before the answer came")
    page.set_input_files("#file", png(200))
    expect(page.locator(".line-row")).to_have_count(4)


def test_by_keyboard_alone(all_kinds: Server, visit: Visit) -> None:
    page = visit(f"{all_kinds.url}/#prices")
    page.get_by_label("n", exact=True).focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.locator("output").wait_for()
    page.get_by_label("city").focus()
    before = page.locator("output").inner_text()
    page.keyboard.press("ArrowDown")
    expect(page.locator("output")).not_to_have_text(before)
    page.evaluate("location.hash = 'echo_bytes'")
    page.get_by_role("button", name="File", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="File", exact=True)).to_be_focused()
    expect(page.get_by_role("button", name="File", exact=True)).to_have_attribute("aria-pressed", "true")


def test_a_file_that_is_no_picture_stays_with_its_words(all_kinds: Server, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{all_kinds.url}/#things")
    (tmp_path / "cut.jpg").write_bytes(picture()[:500])
    page.set_input_files("#file", tmp_path / "cut.jpg")
    expect(page.locator(".failure")).to_be_visible()
    expect(page.locator("#services a[aria-current]")).to_have_text("things")
