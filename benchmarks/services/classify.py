"""Five best classes of a picture: W1 and W1b as a user of this project writes them.

python -m paddle_serving_server.serve --service benchmarks/services/classify.py -- MODEL_FOLDER
"""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_serving_app.reader import BGR2RGB, CenterCrop, Div, Normalize, Resize, Sequential, String2Image, Transpose
from paddle_serving_client.message import Array
from paddle_serving_server.web_service import WebService

TOP = 5


class Classify(WebService):
    """A picture in, classes and scores out."""

    kind = "image"
    title = "What is in the picture?"
    outputs = ("classes", "scores")

    def init_service(self) -> None:
        """Make the steps once."""
        self.to_input = Sequential(
            [
                String2Image(reduce_to=224),  # the model sees 224 pixels
                Resize(256),
                CenterCrop(224),
                BGR2RGB(),
                Div(255.0),
                Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
                Transpose((2, 0, 1)),
            ]
        )

    def preprocess(self, feed: list[Any] = [], fetch: list[str] = []) -> tuple[Any, ...]:  # noqa: B006
        """Pictures to the model's input."""
        return {"image": self.to_input.batch(instance["image"] for instance in feed)}, ["score"], True

    def postprocess(
        self,
        feed: list[Any] = [],  # noqa: B006
        fetch: list[str] = [],  # noqa: B006
        fetch_map: Mapping[str, Array] | None = None,
    ) -> dict[str, Any]:
        """Scores to the best classes: those of the first picture, as every system here answers them."""
        assert fetch_map is not None
        scores = fetch_map["score"][0]
        best = np.argsort(-scores)[:TOP]
        return {"classes": best.tolist(), "scores": scores[best].tolist()}


service = Classify(name="classify")
service.load_model_config(sys.argv[1])
service.prepare_server()
service.run_rpc_service()
service.run_web_service()
