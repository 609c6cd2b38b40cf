"""A folder of a text classifier as transformers has them, with the model as ONNX: texts in, labels and scores out.

    FOLDER/model.onnx (or onnx/model.onnx)  tokenizer.json (or vocab.txt)  config.json with id2label

The texts of all requests that come together are tokenized and computed at once.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from paddle_serving_app.handler import About, Failure, Handler, HandlerContext, HandlerRequest, HandlerSpec
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_app.text_classifier import class_names, export, repository, tokenizer_files
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from paddle_serving_client.message import Array

_KIND: Final = "text_classifier"
_TEXT: Final = "text"
_MODELS: Final = ("model.onnx", "onnx/model.onnx")
_TOKENIZERS: Final = (tokenizer_files.TOKENIZER, "vocab.txt")
_CONFIG: Final = "config.json"
_MOST_TEXTS: Final = 32
_OF_TOKENS: Final = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}


def claims(path: Path) -> HandlerSpec | None:
    """A folder with a model, a tokenizer, and a config that names classes."""
    there = all(any((path / name).is_file() for name in names) for names in (_MODELS, _TOKENIZERS, (_CONFIG,)))
    if not there:
        return None
    try:
        class_names.read(path / _CONFIG)
    except BadModel:
        return None
    return HandlerSpec(kind=_KIND, path=str(path))


def load(spec: HandlerSpec, context: HandlerContext) -> "TextClassifier":
    """See `handler.Kind.load`."""
    folder = Path(spec.path)
    names = class_names.read(folder / _CONFIG)
    file = export.onnx_of(folder, folder)
    tensors = repository.tensors_of(file)
    if tensors.classes not in (0, len(names)):
        raise BadModel(f"{file} has {tensors.classes} classes, and {folder / _CONFIG} names {len(names)}")
    tokenizer, limits = tokenizer_files.opened(folder)
    tokenizer.enable_truncation(limits.max_length)
    tokenizer.enable_padding(pad_id=limits.pad_id, pad_token=limits.pad_token)
    return TextClassifier(tokenizer, Model.load(file), tensors, names)


class TextClassifier(Handler):
    """See `handler.Handler`."""

    about = About(kind="json", title="A text in, its class out", example={_TEXT: "a text"})
    max_requests = _MOST_TEXTS

    def __init__(self, tokenizer: Any, model: Model, tensors: repository.Tensors, names: Sequence[str]) -> None:
        string, single = dtype.STRING, dtype.code_of(np.float32)
        scored = [("label", string, 1), ("score", single, 1), ("labels", string, len(names))]
        scored.append(("scores", single, len(names)))
        self.signature = Signature(
            (Input(_TEXT, _TEXT, string, (-1, 1)),),
            tuple(Output(name, name, elem_type, (length,)) for name, elem_type, length in scored),
        )
        self._tokenizer = tokenizer
        self._model = model
        self._tensors = tensors
        self._names = np.array([name.encode() for name in names], object)

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """See `handler.Handler.handle`."""
        texts = [_texts_of(request) for request in requests]
        whole = [one for of_request in texts if not isinstance(of_request, Failure) for one in of_request]
        if not whole:
            return texts
        found = self._classified(whole)
        results: list[Any] = []
        start = 0
        for of_request in texts:
            if isinstance(of_request, Failure):
                results.append(of_request)
                continue
            results.append({name: values[start : start + len(of_request)] for name, values in found.items()})
            start += len(of_request)
        return results

    def _classified(self, texts: Sequence[str]) -> dict[str, Array]:
        rows = [self._run(texts[at : at + _MOST_TEXTS]) for at in range(0, len(texts), _MOST_TEXTS)]
        logits = np.concatenate(rows).astype(np.float32)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        order = np.argsort(-shares, axis=1, kind="stable")
        labels, scores = self._names[order], np.take_along_axis(shares, order, axis=1)
        return {"label": labels[:, :1], "score": scores[:, :1], "labels": labels, "scores": scores}

    def _run(self, texts: Sequence[str]) -> Array:
        encoded = self._tokenizer.encode_batch(list(texts))
        feed = {
            name: np.array([getattr(one, _OF_TOKENS[name]) for one in encoded], np.int64)
            for name in self._tensors.inputs
        }
        outputs = self._model.run(self._model.signature.arrange(feed))
        place = next(k for k, o in enumerate(self._model.signature.outputs) if o.name == self._tensors.output)
        return outputs.arrays[place]


def _texts_of(request: HandlerRequest) -> list[str] | Failure:
    tensors = request.tensors or {}
    try:
        return [text.decode("utf-8") for text in tensors[_TEXT].reshape(-1).tolist()]
    except KeyError:
        return Failure(f"input {_TEXT!r} is missing", 400, is_callers=True)
    except UnicodeDecodeError as exc:
        return Failure(f"input {_TEXT!r} must be UTF-8: {exc}", 400, is_callers=True)
