"""The things in a picture, with a detector of one's own: boxes, their labels and scores.

    python web_service/detection.py my_server my_labels.txt       # serves on port 9393
    curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/detection/prediction

The first argument is the converted folder of a detector as PaddleDetection 2 exports it (`export_model.py`), the
second the names of its classes, one a line. Its inputs are a picture, and `scale_factor` or `im_shape` or both, or
neither; one of its outputs is rows of class, score, x1, y1, x2, y2, in pixels of the picture as it came.

The answer, where each outer list has one entry for each picture of the request:

    {"boxes": [[[x1, y1, x2, y2], ...]], "labels": [["cat", ...]], "scores": [[0.98, ...]],   the surest first
     "image": ["..."]}                            base64 JPEG with all that drawn in; only if "fetch" asks
"""

import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.boxes import boxes_in, require_rows
from paddle_serving_app.ops.labels import read_labels
from paddle_serving_app.reader import (
    DetectionBGR2RGB,
    DetectionNormalize,
    DetectionResize,
    DetectionSequential,
    DetectionTranspose,
    LabelledBoxes,
    ReadImage,
    Resize,
)
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_server.web_service import WebService

# Of the input, for values from 0 to 1, red first; what most configs of PaddleDetection say.
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
KEEP_RATIO = False
OPEN_SIZE = 640
"""Side of the input, in pixels, where the model takes any."""
LEAST_SCORE = 0.5
"""Of a box that is answered."""
MOST_PICTURES = 16
"""In one request."""
LARGEST_DRAWN = 1600
"""Longer side of a drawn picture, in pixels."""


class Detection(WebService):
    """Pictures in; boxes, labels and scores out."""

    kind = "image"
    title = "Find things in pictures / 目标检测"
    outputs = ("boxes", "labels", "scores", "image")

    def __init__(self, name: str, label_file: str | Path) -> None:
        super().__init__(name)
        self.label_file = label_file

    def init_service(self) -> None:
        """Make each step once; the model says which inputs it has, and how large the picture is to be."""
        self.labels = read_labels(self.label_file)
        inputs = {given.alias: given for given in self.signature.inputs}
        pictures = [alias for alias in inputs if alias not in ("im_shape", "scale_factor")]
        if len(pictures) != 1:
            raise BadConfig(f"a detector takes a picture, im_shape and scale_factor; this model takes {list(inputs)}")
        self.inputs = tuple(inputs)
        self.picture_input = pictures[0]
        height, width = (side if side > 0 else OPEN_SIZE for side in inputs[self.picture_input].shape[-2:])
        self.read = ReadImage()
        self.to_input = DetectionSequential(
            [
                DetectionBGR2RGB(),
                DetectionResize((height, width), KEEP_RATIO, cv2.INTER_CUBIC),
                DetectionNormalize(MEAN, STD),
                DetectionTranspose((2, 0, 1)),
            ]
        )
        self.draw = LabelledBoxes(self.labels, LEAST_SCORE)

    def preprocess(self, feed: list[Any] = [], fetch: list[str] = []) -> tuple[Any, ...]:
        """Make the first picture the input of the model."""
        if unknown := set(fetch) - set(self.outputs):
            raise BadInput(f"unknown fetch {sorted(unknown)[0][:64]!r}; there are {', '.join(self.outputs)}")
        if len(feed) > MOST_PICTURES:
            raise TooLarge(f"{len(feed)} pictures came; at most {MOST_PICTURES} are looked at in one request")
        for k, instance in enumerate(feed):
            if "image" not in instance:
                raise BadInput(f"feed[{k}] has no 'image': a picture file, or its base64 text")
            try:
                feed[k] = self.read(instance["image"])  # `postprocess` gets this same list
            except BadInput as exc:
                raise exc if len(feed) == 1 else type(exc)(f"feed[{k}]: {exc}") from exc
        return self.fed(feed[0]), fetch, True

    def postprocess(
        self,
        feed: list[Any] = [],
        fetch: list[str] = [],
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, Any]:
        """From rows to what was asked for; the same for further pictures, one at a time, since rows do not line up."""
        answer: dict[str, list[Any]] = {name: [] for name in fetch or ("boxes", "labels", "scores")}
        for k, picture in enumerate(feed):
            outputs = (fetch_map or {}) if k == 0 else self.predict("", self.fed(picture), batch=True)
            found = self.found(picture, outputs, "image" in answer)
            for name, values in answer.items():
                values.append(found[name])
        return answer

    def fed(self, picture: ImageU8) -> dict[str, Array]:
        """The inputs of the model for one picture, with the batch axis."""
        image, info = self.to_input(picture)
        given = {self.picture_input: image, **info}
        return {name: given[name][None] for name in self.inputs}

    def found(self, picture: ImageU8, outputs: Mapping[str, Array], is_drawn: bool) -> dict[str, Any]:
        """What the rows say, the surest first."""
        name = boxes_in(outputs)
        try:
            rows = require_rows(outputs[name], len(self.labels), f"the model's output {name!r}")
        except BadInput as exc:
            raise BadConfig(f"the model does not fit {self.label_file}, or is no such detector: {exc}") from exc
        rows = rows[rows[:, 1] >= LEAST_SCORE]
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        found: dict[str, Any] = {
            "boxes": rows[:, 2:].tolist(),
            "labels": [self.labels[int(row[0])] for row in rows],
            "scores": rows[:, 1].tolist(),
        }
        if is_drawn:
            with self.stage("drawing"):
                found["image"] = self.drawn(picture, rows)
        return found

    def drawn(self, picture: ImageU8, rows: Array) -> str:
        """The picture with the boxes drawn in, base64 of a JPEG; a large one is made smaller for the screen."""
        shown = Resize(min(*picture.shape[:2]), max_size=LARGEST_DRAWN)(picture)
        scaled = rows.copy()
        scaled[:, 2:] *= shown.shape[1] / picture.shape[1]
        return base64.b64encode(cv2.imencode(".jpg", self.draw(shown, scaled))[1].tobytes()).decode("ascii")


if len(sys.argv) != 3:
    raise BadConfig("web_service/detection.py needs two arguments: the model's folder, and a file with its labels")
service = Detection("detection", sys.argv[2])
service.load_model_config(sys.argv[1])
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
