"""Read the text in a picture with a pipeline of two ops: `det` finds lines of text, `rec` reads them.

    python convert/ppocr.py               # once: gets and converts the models
    python web_service/ppocr_pipeline.py  # serves on the ports of ppocr_pipeline.yml
    python - <<'END'
    import base64, json, urllib.request
    picture = base64.b64encode(open("static/samples/receipt_zh.jpg", "rb").read()).decode()
    body = json.dumps({"key": ["image"], "value": [picture]}).encode()
    print(urllib.request.urlopen("http://127.0.0.1:9999/ocr/prediction", body).read().decode())
    END

The answer's keys are `boxes`, `texts`, `scores` and `unread`, each a JSON text: the corners of each line in pixels,
from the top left of the text clockwise; what it says; how sure that is (0 to 1); and how many boxes are left out,
since nothing sure was read in them. `ppocr.py` does the same with one more model, which turns lines that are upside
down.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app.ops.ocr import ctc_decode, read_characters
from paddle_serving_app.ops.resize import LimitSideLen
from paddle_serving_app.ops.text_lines import LineBatches
from paddle_serving_app.ops.text_page import FitTextPage
from paddle_serving_app.reader import (
    DBPostProcess,
    Div,
    FilterBoxes,
    GetRotateCropImage,
    Normalize,
    ReadImage,
    Sequential,
    SortedBoxes,
    Transpose,
)
from paddle_serving_client.errors import BadInput
from paddle_serving_server.pipeline import RequestOp
from paddle_serving_server.web_service import Op, WebService

HERE = Path(__file__).resolve().parent
MOST_COLUMNS = 400 * 320
"""Width of all lines of a picture together, in pixels at the height of the input; what is beyond is left unread. All
inputs and outputs of a request are in memory at once, 2 KB for each."""
LEAST_SCORE = 0.5
"""Mean probability of its characters from which a text is believed."""


class DetOp(Op):
    """A picture in; the lines of text cut out of it, and where they were."""

    def init_op(self) -> None:
        """Make each step once."""
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

    def preprocess(self, input_dicts: dict[str, Any], data_id: int, log_id: int) -> tuple[Any, bool, int | None, str]:
        """Decode the picture, and make it the inputs of the detection model: one, or one for each part of a strip."""
        (request,) = input_dicts.values()
        if "image" not in request:
            raise BadInput("there is no key 'image': the base64 text of a picture file")
        # A worker takes one request after the other: `postprocess` finds the page of this one.
        self.page = self.fit(self.read(request["image"]))
        return [{"x": self.to_input(part)[None]} for part in self.page.parts()], False, None, ""

    def postprocess(
        self, input_dicts: dict[str, Any], fetch_data: Any, data_id: int, log_id: int
    ) -> tuple[dict[str, Any], int | None, str]:
        """Boxes in reading order, and the line in each."""
        found = []
        for part, outputs in zip(self.page.parts(), fetch_data, strict=True):
            (probabilities,) = outputs.values()
            found.append(self.detected.find(probabilities[0, 0], part.shape[1], part.shape[0])[0])
        quads = self.in_order(self.drop_small(self.page.joined(found), self.page.image.shape[:2]))
        lines = [self.cut_out(self.page.image, quad) for quad in quads]
        return {"boxes": self.page.in_original(np.array(quads)).tolist(), "lines": lines}, None, ""


class RecOp(Op):
    """Lines in; texts out."""

    def init_op(self) -> None:
        """Read what the model's numbers stand for."""
        model = HERE.parent / "serving_model" / "ppocr_rec"
        self.characters = [*read_characters(model / "ppocr_keys_v1.txt"), " "]

    def preprocess(self, input_dicts: dict[str, Any], data_id: int, log_id: int) -> tuple[Any, bool, int | None, str]:
        """Lines of like length together, in the order of their length."""
        self.batches = LineBatches(input_dicts["det"]["lines"], most_columns=MOST_COLUMNS)
        feeds = [{"x": x} for x in self.batches.inputs()]
        return feeds, not feeds, None, ""

    def postprocess(
        self, input_dicts: dict[str, Any], fetch_data: Any, data_id: int, log_id: int
    ) -> tuple[dict[str, Any], int | None, str]:
        """What each line says, where that is believed."""
        boxes = input_dicts["det"]["boxes"]
        maps = [next(iter(outputs.values())) for outputs in fetch_data]
        read = self.batches.joined([ctc_decode(probabilities, self.characters) for probabilities in maps])
        believed = [n for n, (_, score) in enumerate(read) if score >= LEAST_SCORE]
        found = {
            "boxes": [boxes[n] for n in believed],
            "texts": [read[n][0] for n in believed],
            "scores": [read[n][1] for n in believed],
            "unread": len(read) - len(believed),
        }
        return {name: json.dumps(values, ensure_ascii=False) for name, values in found.items()}, None, ""


class OcrService(WebService):
    """Detection, then recognition."""

    title = "Read text in pictures, as a pipeline / 文字识别流水线"

    def get_pipeline_response(self, read_op: RequestOp) -> Op:
        """Two ops in a row."""
        det = DetOp(name="det", input_ops=[read_op])
        return RecOp(name="rec", input_ops=[det])


service = OcrService(name="ocr")
service.prepare_pipeline_config(HERE / "ppocr_pipeline.yml")
service.run_service()
