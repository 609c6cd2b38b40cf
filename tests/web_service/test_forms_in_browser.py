"""The server's own page: a form for every kind of model that works at the first click, and code that runs."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.serving import HTTP, ROOT, Server
from tests.web_service.page import picture

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def server(all_kinds: Server) -> Server:
    return all_kinds


def ask(page: Page) -> None:
    page.get_by_role("button", name="Predict").click()
    page.locator("#numbers-result .output").first.wait_for()


def test_a_classifier_gets_a_picture_and_answers_with_bars(server: Server, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{server.url}/#classes")
    expect(page.locator("#form select").first).to_have_value("imagenet")
    ask(page)
    bars = page.locator(".bars tbody tr")
    expect(bars).to_have_count(4)
    shares = [float(text.rstrip("%")) for text in bars.locator(".ms").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.3)
    file = tmp_path / "white.png"
    file.write_bytes(b"")
    before = bars.all_inner_texts()
    page.locator("#form select").first.select_option("bytes")
    expect(bars.first).not_to_have_text(before[0])
    page.set_input_files("#form input[type=file]", file)
    expect(page.locator("#field-error")).to_contain_text("not a picture")


def test_a_picture_becomes_the_numbers_it_says(server: Server, visit: Visit, tmp_path: Path) -> None:
    import cv2

    file = tmp_path / "orange.png"
    file.write_bytes(cv2.imencode(".png", np.full((40, 60, 3), (0, 128, 255), np.uint8))[1].tobytes())
    page = visit(f"{server.url}/#bytes")
    expect(page.locator("#form select").first).to_have_value("bytes")
    page.set_input_files("#form input[type=file]", file)
    expect(page.locator(".picture-settings")).to_contain_text("orange.png: scaled to 12 × 12")
    ask(page)
    values = page.locator(".bars .ms")
    expect(values).to_have_text(["255", "128", "0"])
    page.locator("#form select").last.select_option("bgr")
    expect(values).to_have_text(["0", "128", "255"])


def test_a_picture_of_any_size_and_an_answer_that_is_one(server: Server, visit: Visit) -> None:
    page = visit(f"{server.url}/#map")
    ask(page)
    size = page.locator("canvas.map").evaluate("canvas => [canvas.width, canvas.height]")
    shown = re.findall(r"scaled to (\d+) × (\d+)", page.locator(".picture-settings").inner_text())
    assert [tuple(map(str, size))] == shown
    assert size == [224, 224]  # which the server has tried
    page.locator("#form select").nth(1).select_option("own")
    expect(page.locator(".picture-settings")).to_contain_text("scaled to 512 × 512")
    expect(page.locator("#numbers-result h2")).to_have_text("mask [1 × 1 × 512 × 512]")


def test_texts_and_several_inputs(server: Server, visit: Visit) -> None:
    page = visit(f"{server.url}/#text")
    page.locator("#form input").fill("<b>你好</b>")
    ask(page)
    expect(page.locator("#numbers-result .said")).to_have_text("<b>你好</b>")
    page.evaluate("location.hash = 'several'")
    expect(page.locator("#form input")).to_have_count(7)
    ask(page)
    expect(page.locator(".output")).to_have_count(3)
    expect(page.locator(".output").last).to_contain_text("false")
    page.locator("#form input").first.fill("0.5")
    expect(page.locator("#field-error")).to_have_text("a[0] is not a whole number")


def _run(command: list[str], folder: Path) -> object:
    done = subprocess.run(command, capture_output=True, cwd=folder, timeout=60, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


_SAVED = {
    "long": ("long.json", "y"),
    "classes": ("classes.image.npy", "prob"),
    "detector": ("detector.im_gen.npy", "size"),
    "photo": ("photo.json", "512"),
}


@pytest.mark.parametrize("name", ["several", "prices", "split", "arrays", "count_words", "reader", *_SAVED])
def test_the_code_beside_it_runs_as_it_stands(server: Server, visit: Visit, name: str, tmp_path: Path) -> None:
    page = visit(f"{server.url}/#{name}")
    if name == "reader":
        (tmp_path / "a's.jpg").write_bytes(picture())
        page.set_input_files("#file", tmp_path / "a's.jpg")
        page.locator(".line-row").first.wait_for()
        expected = "first line"
    else:
        ask(page)
        file, expected = _SAVED.get(name, ("", {"several": "opposite", "count_words": "words"}.get(name, "price")))
        if file:
            with page.expect_download() as download:
                page.get_by_role("button", name=f"Save {file}").click()
            download.value.save_as(tmp_path / file)
    shell, python, javascript = page.locator("#code code").all_inner_texts()
    assert expected in json.dumps(json.loads(str(_run(["bash", "-c", f"{shell} -s"], tmp_path))))
    (tmp_path / "code.py").write_text(python, encoding="utf-8")
    assert expected in str(_run([sys.executable, "code.py"], tmp_path))
    if node := shutil.which("node"):
        (tmp_path / "code.mjs").write_text(javascript, encoding="utf-8")
        assert expected in str(_run([node, "code.mjs"], tmp_path))
    elif name == "several":
        said = page.evaluate(f"""async () => {{
            const lines = []; const console = {{ log: (value) => lines.push(value) }};
            {javascript}
            return lines.join("") }}""")
        assert expected in said


def test_answers_survive_a_reload_and_the_last_twenty_are_kept(server: Server, visit: Visit, tmp_path: Path) -> None:
    page = visit(f"{server.url}/#several")
    for k in range(22):
        page.locator("#form input").first.fill(str(k))
        page.get_by_role("button", name="Predict").click()
        expect(page.locator(".output .ms").first).to_have_text(str(2 * k))
    expect(page.locator("#history h2")).to_have_text("The last answers (20)")
    page.reload()
    expect(page.locator("#form input").first).to_have_value("21")
    expect(page.locator(".output .ms").first).to_have_text("42")
    page.locator("#history summary").click()
    page.locator("#history li button").nth(1).click()
    expect(page.locator("#form input").first).to_have_value("20")
    page.evaluate("location.hash = 'reader'")
    (tmp_path / "a.jpg").write_bytes(picture())
    page.set_input_files("#file", tmp_path / "a.jpg")
    expect(page.locator("#history li").first).to_contain_text("a.jpg")
    page.reload()
    expect(page.locator(".line-row")).to_have_count(3)
    expect(page.locator(".file-name")).to_have_text("a.jpg")
    page.locator("#history summary").click()
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#history")).to_be_hidden()


def test_the_pages_template_is_one(server: Server) -> None:
    reply = HTTP.request("GET", server.url, headers={"Accept": "text/html", "Accept-Language": "zh"})
    assert '<html lang="zh-CN">' in reply.data.decode()
    script = HTTP.request("GET", f"{server.url}/static/js/main.js").data
    assert script == (ROOT / "static" / "js" / "main.js").read_bytes()
