"""The scores of a classifier to labels: the best one, and all of them with their probabilities, the best first."""

import json
import os
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]


class TritonPythonModel:
    """logits FP32 (-1, N) -> label BYTES (-1, 1), score FP32 (-1, 1), labels BYTES (-1, N), scores FP32 (-1, N)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the names of the classes."""
        path = os.path.join(args["model_repository"], args["model_version"], "id2label.json")
        with open(path, encoding="utf-8") as file:
            names = {int(number): name for number, name in json.load(file).items()}
        self.names = np.array([names[number] for number in range(len(names))], dtype=object)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Name the classes of each request."""
        return [self._named(pb_utils.get_input_tensor_by_name(r, "logits").as_numpy()) for r in requests]

    def _named(self, logits: Any) -> Any:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        order = np.argsort(-shares, axis=1, kind="stable")
        labels, scores = self.names[order], np.take_along_axis(shares, order, axis=1).astype(np.float32)
        found = {"label": labels[:, :1], "score": scores[:, :1], "labels": labels, "scores": scores}
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, values) for name, values in found.items()])
