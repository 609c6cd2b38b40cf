"""The page shows what is wrong with changed code, and that it is mended."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.serving import serve

Visit = Callable[..., Page]
_SERVICE = """
from paddle_serving_server.web_service import WebService

class Same(WebService):
    def preprocess(self, feed=[], fetch=[]):
        return {"y": feed[0]["x"]}, fetch, True

Same(name="same").run_web_service()
"""


def test_what_is_wrong_with_changed_code_is_on_the_page(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "same.py"
    file.write_text(_SERVICE)
    with serve(tmp_path, "--service", str(file), "--reload_code") as server:
        page: Page = visit(f"{server.url}/")
        expect(page.locator("#title")).to_have_text("same")
        file.write_text(_SERVICE + "smae\n")
        expect(page.locator("#notice")).to_contain_text("same.py, line 9: NameError", timeout=30_000)
        expect(page.locator("#title")).to_have_text("same")
        file.write_text(_SERVICE + "# mended\n")
        expect(page.locator("#notice")).to_be_hidden(timeout=30_000)
