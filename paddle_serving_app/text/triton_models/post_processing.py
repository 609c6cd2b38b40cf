"""The numbers of the model as labels with scores, the most certain first. It needs numpy."""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from text_labels import ID2LABEL, MISSPELT, ranked, read


class TritonPythonModel:
    """Names what the model found, by id2label.json beside this file."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the labels."""
        here = Path(__file__).parent
        self.labels = read(here / ID2LABEL if (here / ID2LABEL).is_file() else here / MISSPELT)
        parameters = json.loads(args["model_config"]).get("parameters", {})
        self.activation = parameters.get("activation", {}).get("string_value") or "softmax"

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer `labels` and `scores`."""
        return [self._response(request) for request in requests]

    def _response(self, request: Any) -> Any:
        logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
        labels, scores = ranked(logits, self.labels, self.activation)
        return pb_utils.InferenceResponse([pb_utils.Tensor("labels", labels), pb_utils.Tensor("scores", scores)])
