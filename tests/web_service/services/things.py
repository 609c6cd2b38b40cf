"""A handler that takes pictures, finds the same four things in all of them, and takes its time with narrow ones."""

import time
from collections.abc import Sequence
from typing import Any

from paddle_serving_app.handler import HandlerRequest
from paddle_serving_app.ops.decode import decode

LABELS = ["cat", "dog", "cat", "<b>bird</b>"]


class Handler:
    kind = "image"
    title = "Four things"
    file_input = "photo"

    def handle(self, requests: Sequence[HandlerRequest]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: HandlerRequest) -> Any:
        (instance,) = request.instances or [{}]
        height, width = decode(bytes(instance["photo"])).shape[:2]
        if width < 20:
            time.sleep(3)
        side = min(height, width) / 4
        boxes = [[k * side, k * side, (k + 1) * side, (k + 1) * side] for k in range(4)]
        return {"boxes": [boxes], "labels": [LABELS], "scores": [[0.9, 0.8, 0.7, 0.6]]}
