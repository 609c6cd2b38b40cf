"""Texts to the numbers of their tokens, by the tokenizer in the folder beside this file.

It needs the package tokenizers, and neither transformers nor torch. All texts that come together are tokenized
together, and are as long as the longest of them then, so that the model takes them together, too.
"""

import json
import os
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]
from tokenizers import Tokenizer

TEXTS = "text_input"


class TritonPythonModel:
    """text_input BYTES (-1, 1) -> input_ids, attention_mask and whatever else the model takes, each INT64 (-1, -1)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the tokenizer."""
        folder = os.path.join(args["model_repository"], args["model_version"], "tokenizer")
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        with open(os.path.join(folder, "limits.json"), encoding="utf-8") as file:
            limits = json.load(file)
        self.tokenizer.enable_truncation(limits["max_length"])
        self.tokenizer.enable_padding(pad_id=limits["pad_id"], pad_type_id=0, pad_token=limits["pad_token"])
        self.names = [output["name"] for output in json.loads(args["model_config"])["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Tokenize the texts of all requests at once."""
        texts = [pb_utils.get_input_tensor_by_name(r, TEXTS).as_numpy().reshape(-1).tolist() for r in requests]
        try:
            flat = [text.decode("utf-8") for of_request in texts for text in of_request]
        except UnicodeDecodeError:
            return [self._one(of_request) for of_request in texts]
        return self._split(self.tokenizer.encode_batch(flat), [len(of_request) for of_request in texts])

    def _one(self, texts: list[bytes]) -> Any:
        try:
            encoded = self.tokenizer.encode_batch([text.decode("utf-8") for text in texts])
        except UnicodeDecodeError as exc:
            error = pb_utils.TritonError(f"input '{TEXTS}' must be UTF-8: {exc}", pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=error)
        return self._split(encoded, [len(texts)])[0]

    def _split(self, encoded: list[Any], counts: list[int]) -> list[Any]:
        of = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
        whole = {name: np.array([getattr(one, of[name]) for one in encoded], np.int64) for name in self.names}
        responses, start = [], 0
        for count in counts:
            tensors = [pb_utils.Tensor(name, values[start : start + count]) for name, values in whole.items()]
            responses.append(pb_utils.InferenceResponse(tensors))
            start += count
        return responses
