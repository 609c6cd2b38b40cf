"""web_service/ppocr.py on a real server: it reads, however a picture lies, and says what is wrong with the rest."""

import base64
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.serving import HTTP, ROOT, Server, serve

PICTURES = ROOT / "tests" / "data" / "pictures"
pytestmark = pytest.mark.skipif(
    not (ROOT / "serving_model" / "ppocr_rec").exists(), reason="python convert/ppocr.py makes the models"
)
NOTICE = ["停水通知", "因小区供水管道维修，定于9月12日", "不便之处，敬请谅解！", "阳光花园物业服务中心"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("ppocr"), "--service", str(ROOT / "web_service" / "ppocr.py")) as running:
        yield running


def photo(name: str) -> bytes:
    return (PICTURES / f"{name}.jpg").read_bytes()


def png(picture: Any) -> bytes:
    return cv2.imencode(".png", picture)[1].tobytes()


def decoded(text: str) -> Any:
    return cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)


def post(server: Server, body: bytes, fetch: str = "") -> Any:
    url = f"{server.url}/ppocr/prediction" + (f"?fetch={fetch}" if fetch else "")
    return HTTP.request("POST", url, body=body, headers={"Content-Type": "application/octet-stream"})


def read(server: Server, body: bytes) -> tuple[list[Any], list[str], list[float]]:
    """Boxes, texts and scores of one picture."""
    answer = post(server, body)
    assert answer.status == 200, answer.data
    result = answer.json()["result"]
    assert list(result) == ["boxes", "texts", "scores", "unread"]
    (boxes,), (texts,), (scores,), _ = result.values()
    assert len(boxes) == len(texts) == len(scores)
    assert all(0.5 <= score <= 1 for score in scores)
    return boxes, texts, scores


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("receipt_zh", ["幸福里便利店", "电话：0571-8796 5432", "全麦面包", "16.07", "谢谢惠顾，欢迎再次光临！"]),
        (
            "page_curved_en",
            ["The Keeper of the Harbour Light", "and in all that time the light had failed only twice."],
        ),
        ("street_sign_zh", ["老北京炸酱面馆", "解放东路"]),
        ("notice_upside_down_zh", NOTICE),
        ("notice_sideways_zh", NOTICE),
        ("banner_vertical_zh", ["热烈庆祝建校一百周年"]),
        ("exit_blurred", ["地铁2号线→"]),
        ("scan_en", ["Let us first determine markers of the coins and the"]),
        ("flower", []),
    ],
)
def test_reads(server: Server, name: str, expected: list[str]) -> None:
    boxes, texts, _ = read(server, photo(name))
    assert set(expected) <= set(texts), texts
    picture: Any = cv2.imread(str(PICTURES / f"{name}.jpg"))
    for box in boxes:
        corners = np.array(box)
        assert corners.shape == (4, 2)
        assert corners.min() >= 0
        assert (corners <= [picture.shape[1], picture.shape[0]]).all()


def written(size: tuple[int, int], lines: dict[tuple[int, int], str], letters: int = 36) -> Image.Image:
    """A white sheet with lines of black text at these places."""
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for place, text in lines.items():
        pen.text(place, text, font=ImageFont.load_default(letters), fill="black")
    return sheet


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def squeezed(texts: Sequence[str]) -> list[str]:
    return [text.replace(" ", "") for text in texts]


def test_long_lines_of_small_print(server: Server) -> None:
    """Which of them are upside down was guessed from a squeezed picture; a quarter was turned and not read."""
    lines = {
        (60, 60 + 50 * k): f"Line {k} of a contract with ordinary words in it and numbers such as 12345"
        for k in range(5, 10)
    }
    texts = squeezed(read(server, file_of(written((2480, 3508), lines)))[1])
    assert [text[:5] for text in texts] == [f"Line{k}" for k in range(5, 10)]
    assert all(text.endswith("numberssuchas12345") for text in texts)


def test_a_long_screenshot_is_read_in_parts(server: Server) -> None:
    lines = {(20, 20 + 240 * k): f"Message number {k} of the chat" for k in range(1, 17)}
    boxes, texts, _ = read(server, file_of(written((1080, 4000), lines)))
    assert squeezed(texts) == squeezed(list(lines.values()))
    for (left, top), box in zip(lines, boxes, strict=True):
        assert np.abs(np.array(box).min(axis=0) - [left, top]).max() < 25


def test_a_line_much_longer_than_a_tile_is_one_line(server: Server) -> None:
    lines = {(20 + 130 * k, 12): f"word{k:02d}" for k in range(30)}
    boxes, texts, _ = read(server, file_of(written((4000, 60), lines, 32)))
    assert squeezed(texts) == ["".join(lines.values())]
    assert np.ptp(np.array(boxes[0])[:, 0]) > 3800


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("GIF", {})])
def test_text_on_a_transparent_ground(server: Server, kind: str, options: dict[str, Any]) -> None:
    picture = Image.new("RGBA", (400, 80), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((20, 20), "Hello 2024", font=ImageFont.load_default(32), fill=(0, 0, 0, 255))
    assert squeezed(read(server, file_of(picture, kind, **options))[1]) == ["Hello2024"]


def test_boxes_without_a_text_are_counted(server: Server) -> None:
    """Drawn shapes look like text to the detector, and like nothing to the reader."""
    answer = post(server, (ROOT / "static" / "samples" / "shapes.jpg").read_bytes(), "unread,texts").json()["result"]
    assert answer == {"unread": [2], "texts": [[]]}


def test_several_pictures_of_different_sizes_in_one_request(server: Server) -> None:
    names = ["street_sign_zh", "flower", "exit_blurred"]
    feed = [{"image": base64.b64encode(photo(name)).decode()} for name in names]
    feed[2]["image"] = "data:image/jpeg;base64," + feed[2]["image"]
    answer = HTTP.request("POST", f"{server.url}/ppocr/prediction", json={"feed": feed, "fetch": ["texts", "boxes"]})
    assert answer.status == 200, answer.data
    result = answer.json()["result"]
    assert set(result) == {"texts", "boxes"}
    for name, texts, boxes in zip(names, result["texts"], result["boxes"], strict=True):
        assert (boxes, texts) == read(server, photo(name))[:2]


def test_a_picture_with_the_boxes_drawn_in(server: Server) -> None:
    answer = post(server, photo("street_sign_zh"), fetch="image").json()["result"]
    assert list(answer) == ["image"]
    drawn = decoded(answer["image"][0])
    plain: Any = cv2.imdecode(np.frombuffer(photo("street_sign_zh"), np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == plain.shape
    assert np.abs(drawn.astype(int) - plain).max() > 100


def test_a_large_picture(server: Server) -> None:
    sign: Any = cv2.imread(str(PICTURES / "street_sign_zh.jpg"))
    large = cv2.resize(sign, (4000, 3000), interpolation=cv2.INTER_LINEAR)
    answer = post(server, cv2.imencode(".jpg", large)[1].tobytes(), "boxes,texts,image").json()["result"]
    assert "解放东路" in answer["texts"][0]
    assert np.max(answer["boxes"]) > 1500  # in pixels of the picture as it came
    assert decoded(answer["image"][0]).shape == (1200, 1600, 3)


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (2, 300)])
def test_tiny_pictures_say_nothing(server: Server, size: tuple[int, int]) -> None:
    assert read(server, png(np.full((*size, 3), 250, np.uint8))) == ([], [], [])


def test_a_phone_picture_is_turned_as_its_exif_data_says(server: Server) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8  # to be seen turned counterclockwise
    lying = Image.open(PICTURES / "street_sign_zh.jpg").transpose(Image.Transpose.ROTATE_270)
    file = io.BytesIO()
    lying.save(file, "JPEG", quality=95, exif=exif.tobytes())
    boxes, texts, _ = read(server, file.getvalue())
    assert {"老北京炸酱面馆", "解放东路"} <= set(texts)
    assert np.max(boxes) > lying.width


def test_answers_do_not_get_mixed_up(server: Server) -> None:
    names = ["exit_blurred", "flower", "street_sign_zh", "scan_en"] * 2
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda name: read(server, photo(name))[1], names))
    assert together[:4] == together[4:]
    assert together[1] == []
    assert "解放东路" in together[2]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"%PDF-1.7 not a picture", 415, "JPEG, PNG, WebP, BMP and GIF"),
        (photo("flower")[:-5000], 400, "its end is missing"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x2e\xe0\0\0\x2e\xe0", 413, "12000x12000"),
    ],
)
def test_what_cannot_be_read_says_why(server: Server, body: bytes, status: int, message: str) -> None:
    answer = post(server, body)
    assert answer.status == status, answer.data
    assert message in answer.data.decode()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"feed": [{"picture": "x"}]}, "feed[0] has no 'image'"),
        ({"feed": [{"image": 7}]}, "got int"),
        (
            {"feed": [{"image": "x"}], "fetch": ["text"]},
            "unknown fetch 'text'; there are boxes, texts, scores, unread, image",
        ),
        ({"feed": [{"image": "x"}] * 17}, "at most 16"),
        ({"feed": [{"image": base64.b64encode(photo("flower")).decode()}, {"image": "????"}]}, "feed[1]: "),
    ],
)
def test_what_was_not_meant_says_why(server: Server, said: object, message: str) -> None:
    answer = HTTP.request("POST", f"{server.url}/ppocr/prediction", json=said)
    assert 400 <= answer.status < 500, answer.data
    assert message in str(answer.json())
