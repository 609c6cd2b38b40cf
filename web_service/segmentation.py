"""What is where in a picture: a class for each pixel, painted over the picture.

    python convert/segmentation.py       # once: trains a small network that knows circles, squares and triangles
    python web_service/segmentation.py   # serves on port 9393
    curl --data-binary @static/samples/shapes.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/segmentation/prediction

With a network of one's own, its converted folder and the names of its classes, one a line, the first the background:

    python web_service/segmentation.py my_server my_labels.txt

It may answer scores (N, classes, H, W), or classes (N, H, W) as networks exported by PaddleSeg do.

The answer, where each list has one entry for each picture of the request:

    {"labels": [["background", "circle"]],    the classes that are there, the largest first
     "shares": [[0.84, 0.16]],                the part of the picture that each covers
     "mask": ["..."]                          base64 PNG, as large as the picture, grey value = class; if "fetch" asks
     "image": ["..."]}                        base64 JPEG with the classes painted over it, and named; if "fetch" asks
"""

import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.arrays import ImageU8
from paddle_serving_app.ops.labels import read_labels
from paddle_serving_app.ops.segmentation import Mask, class_mask, class_shares
from paddle_serving_app.reader import (
    BGR2RGB,
    Div,
    MaskOverlay,
    Normalize,
    ReadImage,
    Resize,
    Sequential,
    Transpose,
)
from paddle_serving_client.errors import BadConfig, BadInput, TooLarge
from paddle_serving_client.message import Array
from paddle_serving_server.web_service import WebService

MODEL = Path(__file__).resolve().parent.parent / "serving_model" / "segmentation"
# Of the input, for values from 0 to 1, red first. PaddleSeg has these too; change them with your network's.
MEAN, STD = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]
OPEN_SIZE = 512
"""Side of the input, in pixels, where the model takes any."""
MOST_PICTURES = 16
"""In one request."""
LARGEST_DRAWN = 1600
"""Longer side of a painted picture, in pixels."""


class Segmentation(WebService):
    """Pictures in; classes, the parts of the picture they cover, masks and painted pictures out."""

    kind = "image"
    title = "What is where in a picture / 图像分割"
    outputs = ("labels", "shares", "mask", "image")

    def __init__(self, name: str, label_file: str | Path) -> None:
        super().__init__(name)
        self.label_file = label_file

    def init_service(self) -> None:
        """Make each step once; the model says how large its input is."""
        self.labels = read_labels(self.label_file)
        (self.input,) = self.signature.inputs
        height, width = (side if side > 0 else OPEN_SIZE for side in self.input.shape[-2:])
        self.read = ReadImage()
        self.to_input = Sequential(
            [Resize((width, height)), BGR2RGB(), Div(255.0), Normalize(MEAN, STD), Transpose((2, 0, 1))]
        )
        self.paint = MaskOverlay(self.labels)

    def preprocess(self, feed: list[Any] = [], fetch: list[str] = []) -> tuple[Any, ...]:
        """All pictures as one batch."""
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
        return {self.input.alias: self.to_input.batch(feed)}, fetch, True

    def postprocess(
        self,
        feed: list[Any] = [],
        fetch: list[str] = [],
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, Any]:
        """From the model's first output to what was asked for, picture by picture."""
        output = next(iter((fetch_map or {}).values()))
        answer: dict[str, list[Any]] = {name: [] for name in fetch or ("labels", "shares")}
        for k, picture in enumerate(feed):
            found = self.found(picture, self.mask_of(output[k : k + 1]), set(answer))
            for name, values in answer.items():
                values.append(found[name])
        return answer

    def mask_of(self, output: Array) -> Mask:
        """The classes of one picture, at the size of the model's answer."""
        try:
            return class_mask(output, len(self.labels))
        except BadInput as exc:
            raise BadConfig(f"{self.label_file} does not fit the model: {exc}") from exc

    def found(self, picture: ImageU8, mask: Mask, wanted: set[str]) -> dict[str, Any]:
        """What the mask says about the picture."""
        shares = class_shares(mask, len(self.labels))
        there = [k for k in np.argsort(shares)[::-1].tolist() if shares[k] > 0]
        found: dict[str, Any] = {"labels": [self.labels[k] for k in there], "shares": [shares[k] for k in there]}
        if "mask" in wanted:
            size = picture.shape[1], picture.shape[0]
            found["mask"] = encoded(".png", cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST))
        if "image" in wanted:
            with self.stage("drawing"):
                shown = Resize(min(*picture.shape[:2]), max_size=LARGEST_DRAWN)(picture)
                found["image"] = encoded(".jpg", self.paint(shown, mask))
        return found


def encoded(kind: str, picture: Any) -> str:
    """A picture file as base64 text."""
    return base64.b64encode(cv2.imencode(kind, picture)[1].tobytes()).decode("ascii")


model = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
service = Segmentation("segmentation", sys.argv[2] if len(sys.argv) > 2 else model / "labels.txt")
service.load_model_config(model)
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
