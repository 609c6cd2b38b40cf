"""What a visitor sees and does, in a real browser, with a real model server behind the page."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests import models
from tests.serving import HTTP, ROOT, Server, free_port, serve
from tests.web_service.page import page_of, picture

Visit = Callable[..., Page]


def upload(page: Page, file: Path | FilePayload) -> None:
    page.set_input_files("#file", file)


def as_file(name: str, media_type: str, body: bytes) -> FilePayload:
    return {"name": name, "mimeType": media_type, "buffer": body}


def test_a_picture_is_read_and_shown(url: str, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    expect(page.locator("h1")).to_have_text("Three lines")
    upload(page, photo)
    rows, boxes = page.locator(".line-row"), page.locator(".box")
    expect(rows).to_have_count(3)
    expect(boxes).to_have_count(3)
    expect(page.locator("#picture-result h2")).to_have_text("3 lines of text")
    expect(rows.nth(1)).to_contain_text("第二行")
    expect(rows.nth(1)).to_contain_text("75.0%")
    expect(rows.nth(2).locator(".said")).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator("#announce")).to_contain_text("3 lines of text")
    image, box = page.locator("img.photo").bounding_box(), boxes.first.locator(".line").bounding_box()
    assert image and box
    assert box["x"] - image["x"] == pytest.approx(0.1 * image["width"], abs=3)
    assert box["y"] - image["y"] == pytest.approx(0.1 * image["height"], abs=3)
    assert box["width"] == pytest.approx(0.8 * image["width"], abs=6)


def test_boxes_and_lines_light_each_other(url: str, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    upload(page, photo)
    rows, boxes = page.locator(".line-row"), page.locator(".box")
    rows.nth(1).hover()
    expect(boxes.nth(1)).to_have_class(re.compile(r"\blit\b"))
    expect(page.locator(".tip")).to_have_text("第二行")
    boxes.nth(0).locator(".line").hover()
    expect(rows.nth(0)).to_have_class(re.compile(r"\blit\b"))
    expect(rows.nth(1)).not_to_have_class(re.compile(r"\blit\b"))
    boxes.nth(2).locator(".line").click()
    page.mouse.move(2, 2)
    expect(rows.nth(2)).to_have_attribute("aria-selected", "true")
    expect(rows.nth(2)).to_have_class(re.compile(r"\blit\b"))


def test_everything_works_by_keyboard(url: str, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    page.locator("h1").wait_for()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    upload(page, photo)
    rows, boxes = page.locator(".line-row"), page.locator(".box")
    expect(rows).to_have_count(3)
    seen: list[str] = []
    for _ in range(20):
        page.keyboard.press("Tab")
        found = page.evaluate("document.activeElement.getAttribute('class') + ' ' + document.activeElement.textContent")
        seen.append(found)
        if "line-row" in found:
            break
    assert any(stop.startswith("box") for stop in seen), seen
    assert "line-row" in seen[-1], seen
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()
    expect(boxes.nth(1)).to_have_class(re.compile(r"\blit\b"))
    page.keyboard.press("End")
    expect(rows.nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(rows.nth(2)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(rows.nth(2)).to_have_attribute("aria-selected", "false")
    boxes.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(rows.nth(1)).to_have_class(re.compile(r"\blit\b"))


def test_timing_code_and_json(url: str, page_server: Server, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    upload(page, photo)
    expect(page.locator("#timing h2")).to_have_text("Where the time went")
    page.locator("#timing tbody tr").first.wait_for()
    assert page.locator("#timing tbody tr").count() >= 3
    in_server, in_all = re.findall(r"([\d.]+) ms", page.locator("#timing .sum").inner_text())
    assert 0 < float(in_server) <= float(in_all)
    line = page.locator("#code code").first.inner_text()
    assert line.startswith('curl -X POST -H "Content-Type: image/jpeg" --data-binary ')
    assert line.endswith(f"{page_server.url}/reader/prediction")
    done = subprocess.run(["bash", "-c", f"{line} -s"], capture_output=True, cwd=photo.parent, timeout=30)
    assert json.loads(done.stdout)["result"]["texts"][0][0] == "first line"
    page.locator("#json summary").click()
    expect(page.locator("#json pre")).to_contain_text("first line")


def test_the_steps_are_a_picture_on_one_line_of_time(url: str, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    expect(page.locator("#timing")).to_contain_text("Ask once")
    upload(page, photo)
    rows = page.locator("#timing tbody tr")
    rows.first.wait_for()
    names = rows.locator("th").all_inner_texts()
    assert names[0] == "Prepare" and names[-1] == "Pass the data on"
    assert {"Run the model", "draw"} <= set(names)
    track = rows.first.locator(".track").bounding_box()
    spans = [row.locator(".span").bounding_box() for row in rows.all()[:-1]]
    assert track and all(spans)
    ends = track["x"]
    for span in filter(None, spans):  # each begins where the one before ended, or a little later
        assert span["x"] >= ends - 3, names
        ends = span["x"] + max(0.0, span["width"] - 2)
    assert ends <= track["x"] + track["width"] + 3
    assert page.locator(".tick").first.inner_text() == "0"


def test_steps_of_a_call_over_rpc(url: str, visit: Visit) -> None:
    page = visit(f"{url}/#uci")
    page.get_by_role("button", name="Predict").click()
    names = page.locator("#timing tbody th")
    expect(names).to_have_text(["On the way", "Read, and wait for the model", "Run the model", "Make the answer"])
    assert re.fullmatch(r"[\d.]+ (µs|ms)", page.locator("#timing tbody .ms").nth(2).inner_text())


def test_why_this_library(visit: Visit, tmp_path: Path) -> None:
    flags = ("--model", str(models.uci(tmp_path / "uci")), "--name", "uci", "--tune", "load", "--tune_s", "2")
    with serve(tmp_path, *flags) as server, page_of(server.url) as address:
        (described,) = json.loads(HTTP.request("GET", f"{server.url}/services").data)["services"]
        page = visit(address, width=390)
        why = page.locator("#why")
        expect(why.locator("table")).to_be_hidden()
        why.locator("summary").click()
        plan = described["models"][0]["plan"]
        libraries = {measured["backend"] for measured in plan["table"]}
        expect(why.locator("tbody tr")).to_have_count(len(libraries))
        chosen = why.locator("tbody tr.chosen")
        expect(chosen.locator(".tag")).to_have_text("chosen")
        names = {"paddle": "Paddle Inference", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
        assert chosen.locator(".name").inner_text().startswith(names[plan["backend"].partition(" ")[0]])
        rows = f"up to {plan['max_rows']} rows at once" if plan["max_rows"] > 1 else "one row at a time"
        expect(why.locator(".facts")).to_contain_text(f"{rows} · 1 engine")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        page.get_by_role("button", name="中文").click()
        expect(why.locator(".tag")).to_have_text("已选用")
        expect(why.locator("table")).to_be_visible()


def test_what_was_not_measured_is_said_so(visit: Visit, tmp_path: Path) -> None:
    flags = ("--model", str(models.uci(tmp_path / "uci")), "--name", "uci", "--backend", "onnxruntime")
    with serve(tmp_path, *flags) as server, page_of(server.url) as address:
        page = visit(address)
        page.locator("#why summary").click()
        expect(page.locator("#why")).to_contain_text("Nothing was measured when this server started")
        expect(page.locator("#why .facts")).to_contain_text("ONNX Runtime")
        expect(page.locator("#why table")).to_have_count(0)


def test_copy_buttons(url: str, browser: Browser, photo: Path) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{url}/#reader")
    upload(page, photo)
    page.get_by_role("button", name="Copy text").click()
    assert page.evaluate("navigator.clipboard.readText()") == "first line\n第二行\n<img src=x onerror=alert(1)>"
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    context.close()


def test_the_servers_drawing_can_be_seen_and_kept(url: str, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    upload(page, photo)
    page.get_by_role("button", name="Drawn by the server").click()
    expect(page.get_by_role("img", name="The picture with boxes drawn by the server")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "my photo's-reader.jpg"
    assert download.value.path().read_bytes().startswith(b"\xff\xd8")
    page.get_by_role("button", name="Boxes").click()
    expect(page.locator(".box")).to_have_count(3)


def test_drop_and_paste(url: str, visit: Visit) -> None:
    page = visit(f"{url}/#reader")
    page.locator("#drop").wait_for()
    give = """async ([event, bytes, type]) => {
        const data = new DataTransfer();
        if (bytes.length) data.items.add(new File([new Uint8Array(bytes)], "given.jpg", { type }));
        else data.setData("text/plain", "just words");
        const made = event === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true })
          : new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true });
        document.body.dispatchEvent(made);
    }"""
    page.evaluate(give, ["dragenter", [], ""])
    expect(page.locator(".release")).to_be_visible()
    page.evaluate(give, ["drop", list(picture()), "image/jpeg"])
    expect(page.locator(".line-row")).to_have_count(3)
    page.evaluate(give, ["paste", list(picture(width=300)), "image/jpeg"])
    expect(page.locator(".about")).to_contain_text("300 × 360")
    expect(page.locator(".line-row")).to_have_count(3)
    page.evaluate(give, ["drop", [], ""])
    expect(page.locator(".failure")).to_contain_text("not a picture file")


def test_upright_as_the_camera_was_held(url: str, visit: Visit) -> None:
    jpeg = picture(width=200, height=100)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]
    page = visit(f"{url}/#reader")
    upload(page, as_file("turned.jpg", "image/jpeg", turned))
    expect(page.locator(".about")).to_contain_text("100 × 200")
    image, box = page.locator("img.photo").bounding_box(), page.locator(".box .line").first.bounding_box()
    assert image and box and box["width"] == pytest.approx(0.8 * image["width"], abs=6)


def test_what_does_not_work_is_said_clearly(url: str, visit: Visit) -> None:
    page = visit(f"{url}/#reader")
    failure = page.locator(".failure")
    for name, media_type, body, said in (
        ("notes.txt", "text/plain", b"hello", "not a picture the server can read"),
        ("fake.jpg", "image/jpeg", b"hello", "not a picture the server can read"),
        ("empty.jpg", "image/jpeg", b"", "This file is empty"),
        ("cut.jpg", "image/jpeg", picture()[:500], "truncated or damaged"),
        ("unlucky.png", "image/png", picture("png", width=13), "postprocess of service 'reader' failed"),
    ):
        upload(page, as_file(name, media_type, body))
        expect(failure).to_contain_text(said)
        expect(page.locator(".file-name")).to_have_text(name)
    expect(failure.get_by_role("button", name="Try again")).to_be_visible()
    page.evaluate("""() => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(16 * 2**20 + 1)], "big.jpg", { type: "image/jpeg" }));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }""")
    expect(failure).to_contain_text("too large. The limit is 16 MB")
    upload(page, as_file("nothing.png", "image/png", picture("png", width=40)))
    expect(page.locator("#picture-result h2")).to_have_text("Nothing found")


def test_numbers_form(url: str, page_server: Server, visit: Visit) -> None:
    page = visit(f"{url}/#uci")
    fields = page.locator("#form input")
    expect(fields).to_have_count(13)
    expect(fields.first).to_have_value("0.0137")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("output")).to_have_text("18.901152")
    expect(page.locator("#numbers-result")).to_contain_text("over RPC")
    fields.first.fill("0")
    expect(page.locator("output")).to_contain_text("18.9179")
    fields.first.fill("zero")
    expect(page.locator("#field-error")).to_have_text("CRIM is not a number")
    expect(fields.first).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Example values").click()
    expect(fields.first).to_have_value("0.0137")
    assert all(f"{page_server.url}/uci/prediction" in code for code in page.locator("#code code").all_inner_texts())


def test_json_service(url: str, visit: Visit) -> None:
    page = visit(f"{url}/#words")
    area = page.locator("#form textarea")
    expect(area).to_have_value(re.compile("to be or not"))
    page.get_by_role("button", name="Predict").click()
    expect(page.locator("#numbers-result")).to_contain_text("25.0%")
    area.fill("{")
    expect(page.locator("#field-error")).to_contain_text("not valid JSON")


HAS_PPOCR = all((ROOT / "serving_model" / f"ppocr_{part}").is_dir() for part in ("det", "cls", "rec"))


@pytest.mark.skipif(not HAS_PPOCR, reason="python convert/ppocr.py has not run")
def test_a_sample_is_read_by_ppocr(visit: Visit, tmp_path: Path) -> None:
    with serve(tmp_path, "--service", "web_service/ppocr.py") as server, page_of(server.url) as address:
        page = visit(address, locale="zh-CN")
        page.locator("button.sample[data-name^=street_sign]").click()
        expect(page.locator(".line-row").filter(has_text="老北京炸酱面馆")).to_be_visible(timeout=60_000)
        page.get_by_role("button", name="服务器绘制").click()
        expect(page.get_by_role("link", name="下载")).to_be_visible(timeout=60_000)


def test_language_toggle_keeps_the_picture_and_is_remembered(url: str, visit: Visit, photo: Path) -> None:
    page = visit(f"{url}/#reader")
    upload(page, photo)
    expect(page.locator(".line-row")).to_have_count(3)
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#picture-result h2")).to_have_text("3 行文字")
    expect(page.locator(".line-row")).to_have_count(3)
    page.reload()
    expect(page.locator("#choose")).to_have_text("选择图片")
    page.get_by_role("button", name="EN", exact=True).click()
    expect(page.locator("#choose")).to_have_text("Choose a picture")


def test_language_of_the_browser(url: str, visit: Visit) -> None:
    expect(visit(f"{url}/#reader", locale="zh-CN").locator("#choose")).to_have_text("选择图片")


@pytest.mark.parametrize("width", [320, 360, 820])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_narrow_screens_never_scroll_sideways(url: str, visit: Visit, photo: Path, width: int, locale: str) -> None:
    page = visit(f"{url}/#reader", width=width, locale=locale)
    upload(page, photo)
    expect(page.locator(".line-row")).to_have_count(3)
    page.locator("#json summary").click()
    overflow = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(overflow) <= 0
    page.evaluate("location.hash = 'uci'")
    page.locator("#form button[type=submit]").click()
    page.locator("output").wait_for()
    assert page.evaluate(overflow) <= 0


def test_a_server_that_comes_goes_and_comes_back(visit: Visit, tmp_path: Path) -> None:
    model, port = models.uci(tmp_path / "uci_housing"), free_port()
    with page_of(f"http://127.0.0.1:{port}") as address:
        page = visit(address)
        status = page.locator("#status")
        expect(status).to_have_attribute("data-state", "down")
        expect(page.locator("#notice")).to_contain_text(f"Nobody answers at http://127.0.0.1:{port}")
        server = _start(model, port, tmp_path)
        expect(status).to_have_attribute("data-state", "starting", timeout=60_000)
        expect(page.locator("#notice")).to_contain_text("starting: model uci_housing: ")
        expect(status).to_have_attribute("data-state", "ready", timeout=60_000)
        expect(page.locator("h1")).to_have_text("Estimate the price of a house")
        expect(page.locator("#notice")).to_be_hidden()
        field = page.locator("#form input").first
        field.fill("0.5")
        server.terminate()
        server.wait(30)
        page.get_by_role("button", name="Predict").click()
        expect(page.locator(".failure")).to_contain_text("The model server does not answer")
        expect(field).to_have_value("0.5")
        expect(status).to_have_attribute("data-state", "down")
        server = _start(model, port, tmp_path)
        expect(page.locator("output")).to_be_visible(timeout=60_000)  # asked again by itself
        server.terminate()
        server.wait(30)


def _start(model: Path, port: int, home: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "paddle_serving_server.serve", "--model", str(model), "--name", "uci"]
    environment = {**os.environ, "SERVING_HOME": str(home)}
    return subprocess.Popen([*command, "--port", str(port)], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
