"""A handler in a file that says what it takes."""

import time
from collections.abc import Sequence
from typing import Any

from paddle_serving_app.handler import Failure, HandlerRequest


class Handler:
    title = "Count words / 数词"
    example = {"text": "three short words"}

    def handle(self, requests: Sequence[HandlerRequest]) -> list[Any]:
        return [self.answer(request) for request in requests]

    def answer(self, request: HandlerRequest) -> Any:
        instances = request.instances or [{}]
        if "text" not in instances[0]:
            return Failure("there is no text", is_callers=True)
        time.sleep(float(instances[0].get("seconds", 0)))
        return {"words": [len(str(instance["text"]).split()) for instance in instances]}
