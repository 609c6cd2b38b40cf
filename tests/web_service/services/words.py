"""A service that takes JSON of its own making. Its argument is a folder of the uci model."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_serving_client.message import Array, Instance
from paddle_serving_server.web_service import WebService


class Words(WebService):
    example = {"words": "to be or not"}

    def preprocess(self, feed: list[Instance] = [], fetch: list[str] = []) -> tuple[Any, ...]:  # noqa: B006
        return {"x": np.zeros((1, 13), np.float32)}, [], True

    def postprocess(
        self,
        feed: list[Instance] = [],  # noqa: B006
        fetch: list[str] = [],  # noqa: B006
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, object]:
        count = len(str(feed[0]["words"]).split())
        return {"label": ["short", "long"], "prob": [1 / count, 1 - 1 / count]}


service = Words(name="words")
service.load_model_config(sys.argv[1])
service.run_web_service()
