"""web_service/ppocr_pipeline.py on a real server: it reads, in threads and with several callers at once."""

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.serving import HTTP, ROOT, Server, serve

PICTURES = ROOT / "tests" / "data" / "pictures"
pytestmark = pytest.mark.skipif(
    not (ROOT / "serving_model" / "ppocr_rec").exists(), reason="python convert/ppocr.py makes the models"
)
EXPECTED = {
    "receipt_zh": {"幸福里便利店", "全麦面包", "16.07"},
    "street_sign_zh": {"老北京炸酱面馆", "解放东路"},
    "flower": set[str](),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("ocr"), "--service", str(ROOT / "web_service" / "ppocr_pipeline.py")) as running:
        yield running


def read(server: Server, picture: str) -> dict[str, Any]:
    body = json.dumps({"key": ["image"], "value": [picture]}).encode()
    answer: dict[str, Any] = HTTP.request("POST", f"{server.url}/ocr/prediction", body=body).json()
    return answer


def test_pictures_of_many_callers_are_read(server: Server) -> None:
    def one(name: str) -> None:
        said = read(server, base64.b64encode((PICTURES / f"{name}.jpg").read_bytes()).decode())
        assert (said["err_no"], said["key"]) == (0, ["boxes", "texts", "scores", "unread"]), said
        boxes, texts, scores, unread = map(json.loads, said["value"])
        assert 0 <= unread < 5
        assert len(boxes) == len(texts) == len(scores)
        assert set(texts) >= EXPECTED[name]
        assert bool(texts) == bool(EXPECTED[name])

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(one, [*EXPECTED, *EXPECTED]))


def test_what_is_no_picture_is_refused(server: Server) -> None:
    said = read(server, "AAAA")
    assert (said["err_no"], "op 'det'" in said["err_msg"]) == (5000, True), said
