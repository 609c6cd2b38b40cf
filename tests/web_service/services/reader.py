"""An image service that needs no trained model: three lines, one of them hostile, at fixed places of any picture.

Its argument is a folder of the uci model. Pictures up to 50 pixels wide have no lines; 13 wide is a crash.
"""

import base64
import sys
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from paddle_serving_app.ops.decode import decode
from paddle_serving_client.message import Array, Instance
from paddle_serving_server.web_service import WebService

TEXTS = ["first line", "第二行", "<img src=x onerror=alert(1)>"]
SCORES = [0.99, 0.75, 0.5]


class Reader(WebService):
    kind = "image"
    title = "Three lines"
    outputs = ("boxes", "texts", "scores", "image")

    def preprocess(self, feed: list[Instance] = [], fetch: list[str] = []) -> tuple[Any, ...]:  # noqa: B006
        decode(_file(feed))
        self.wanted = fetch or self.outputs
        return {"x": np.zeros((1, 13), np.float32)}, [], True

    def postprocess(
        self,
        feed: list[Instance] = [],  # noqa: B006
        fetch: list[str] = [],  # noqa: B006
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, object]:
        with self.stage("draw"):
            image = decode(_file(feed))
            drawn = base64.b64encode(cv2.imencode(".jpg", image)[1].tobytes()).decode()
        height, width = image.shape[:2]
        if width == 13:
            raise RuntimeError("an unlucky picture")
        count = 3 if width > 50 else 0
        boxes = [_box(0.1 + 0.25 * i, 0.25 + 0.25 * i, width, height) for i in range(count)]
        result = {"boxes": [boxes], "texts": [TEXTS[:count]], "scores": [SCORES[:count]], "image": [drawn]}
        return {name: result[name] for name in self.wanted}


def _file(feed: list[Instance]) -> bytes:
    data = feed[0]["image"]
    assert isinstance(data, bytes)
    return data


def _box(top: float, bottom: float, width: int, height: int) -> list[list[float]]:
    corners = ((0.1, top), (0.9, top), (0.9, bottom), (0.1, bottom))
    return [[x * width, y * height] for x, y in corners]


service = Reader(name="reader")
service.load_model_config(sys.argv[1])
service.run_web_service()
