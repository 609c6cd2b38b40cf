"""Texts to tokens, for the model behind it. It needs numpy and tokenizers, no transformers and no torch."""

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from text_encoding import TextEncoder


class TritonPythonModel:
    """Tokenizes the texts of all requests that wait by one call of the native tokenizer."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the tokenizer beside this file."""
        self.encoder = TextEncoder(Path(__file__).parent / "tokenizer")
        outputs = json.loads(args["model_config"])["output"]
        self.outputs = {one["name"]: pb_utils.triton_string_to_numpy(one["data_type"]) for one in outputs}

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer `input_ids` and the like, padded to a length that depends on the texts of a request only."""
        texts = [_texts(request) for request in requests]
        encodings = iter(self.encoder.encode([text for some in texts for text in some or ()]))
        return [_refused() if some is None else self._response([next(encodings) for _ in some]) for some in texts]

    def _response(self, encodings: list[Any]) -> Any:
        tensors = self.encoder.tensors(encodings, max(self.encoder.lengths(encodings), default=1))
        named = [(name, tensors[name].astype(kind, copy=False)) for name, kind in self.outputs.items()]
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, tensor) for name, tensor in named])


def _texts(request: Any) -> list[str] | None:
    """The texts of a request; None where one is none."""
    found = pb_utils.get_input_tensor_by_name(request, "text_input").as_numpy()
    try:
        return [text.decode("utf-8") for text in found.reshape(-1).tolist()]
    except UnicodeDecodeError:
        return None


def _refused() -> Any:
    return pb_utils.InferenceResponse(error=pb_utils.TritonError("text_input: a text is not UTF-8"))
