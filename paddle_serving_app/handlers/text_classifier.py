"""A text classifier as transformers and optimum leave it: a folder with model.onnx, tokenizer.json and config.json.

    {"text": "..."}  ->  {"labels": [the most certain first], "scores": [...]}

Texts that wait are tokenized together by the native tokenizer, those of like length are one run of the model.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from paddle_serving_app.handler import About, Failure, Handler, HandlerContext, HandlerRequest, HandlerSpec
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Input, Output, Signature
from paddle_serving_app.text import text_labels
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel, MissingLibrary
from paddle_serving_client.message import Array

if TYPE_CHECKING:
    from paddle_serving_app.text.text_encoding import TextEncoder

_KIND: Final = "text_classifier"
_TOKENIZER, _CONFIG = "tokenizer.json", "config.json"
_FILES: Final = ("model.onnx", "onnx/model.onnx")
TEXT, LABELS, SCORES, LOGITS = "text", "labels", "scores", "logits"
_MOST_ROWS: Final = 32
"""Of one run of the model."""
_MOST_TEXTS: Final = 1024
"""Of one request."""
_MOST_CHARACTERS: Final = 1 << 20
"""Of one text, of which a model reads the beginning."""


def claims(path: Path) -> HandlerSpec | None:
    """A folder with the three files, of which config.json names labels."""
    if not path.is_dir() or not all((path / name).is_file() for name in (_TOKENIZER, _CONFIG)):
        return None
    if not any((path / name).is_file() for name in _FILES):
        return None
    try:
        names = "id2label" in json.loads((path / _CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return HandlerSpec(kind=_KIND, path=str(path)) if names else None


def load(spec: HandlerSpec, context: HandlerContext) -> "TextClassifier":
    """See `handler.Kind.load`."""
    try:
        from paddle_serving_app.text.text_encoding import TextEncoder
    except ImportError as exc:
        raise MissingLibrary(f"{spec.path} needs tokenizers: pip install 'paddle-serving-next[text]'") from exc
    folder = Path(spec.path)
    file = next(folder / name for name in _FILES if (folder / name).is_file())
    try:
        config = json.loads((folder / _CONFIG).read_text("utf-8"))
        labels = text_labels.of(config, str(folder / _CONFIG))
        encoder = TextEncoder(folder)
    except (OSError, ValueError) as exc:
        raise BadModel(f"{folder}: {exc}") from exc
    model = Model.load(file, tune_s=0)
    return TextClassifier(file, model, encoder, labels, text_labels.activation_of(config, len(labels)))


class TextClassifier(Handler):
    """See `handler.Handler`."""

    about = About(kind="numbers", title="What a text is / 文本分类")

    def __init__(
        self, file: Path, model: Model, encoder: "TextEncoder", labels: Sequence[str], activation: str
    ) -> None:
        self._inputs = [(i.alias, dtype.numpy_of(i.elem_type)) for i in model.signature.inputs]
        names = [o.alias for o in model.signature.outputs]
        if LOGITS not in names or any(name not in encoder.names for name, _ in self._inputs):
            takes = ", ".join(name for name, _ in self._inputs)
            raise BadModel(f"{file} takes {takes} and gives {', '.join(names)}: that is no classifier of texts")
        self._model, self._encoder, self._labels, self._activation = model, encoder, labels, activation
        self._logits = names.index(LOGITS)
        count = len(labels)
        self.signature = Signature(
            (Input(TEXT, TEXT, dtype.STRING, (-1, 1)),),
            (
                Output(LABELS, LABELS, dtype.STRING, (count,)),
                Output(SCORES, SCORES, dtype.code_of(np.dtype(np.float32)), (count,)),
            ),
        )

    def handle(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        """See `handler.Handler.handle`."""
        texts = [_texts(request) for request in requests]
        flat = [text for some in texts if not isinstance(some, Failure) for text in some]
        labels, scores = text_labels.ranked(self._run(flat), self._labels, self._activation)
        results: list[Any] = []
        at = 0
        for some in texts:
            if isinstance(some, Failure):
                results.append(some)
                continue
            rows = slice(at, at := at + len(some))
            results.append({LABELS: labels[rows], SCORES: scores[rows]})
        return results

    def close(self) -> None:
        """See `handler.Handler.close`."""
        self._model.close()

    def _run(self, texts: Sequence[str]) -> Array:
        """The logits of some texts: (N, K)."""
        encodings = self._encoder.encode(texts)
        lengths = self._encoder.lengths(encodings)
        logits = np.zeros((len(texts), len(self._labels)), np.float32)
        for length in sorted(set(lengths)):
            of_length = [row for row, own in enumerate(lengths) if own == length]
            for first in range(0, len(of_length), _MOST_ROWS):
                rows = of_length[first : first + _MOST_ROWS]
                tensors = self._encoder.tensors([encodings[row] for row in rows], length)
                feed = {name: tensors[name].astype(kind, copy=False) for name, kind in self._inputs}
                found = self._model.run(self._model.signature.arrange(feed)).arrays[self._logits]
                if found.shape != (len(rows), len(self._labels)):
                    raise BadModel(
                        f"the model gave {list(found.shape)} for {len(rows)} texts and {len(self._labels)} labels"
                    )
                logits[rows] = found
        return logits


def _texts(request: HandlerRequest) -> list[str] | Failure:
    """The texts of a request, or what is wrong with it."""
    texts = _read(request)
    if isinstance(texts, Failure):
        return texts
    if len(texts) > _MOST_TEXTS:
        return Failure(f"{len(texts)} texts came; a request may have {_MOST_TEXTS}", 413, is_callers=True)
    if (longest := max(map(len, texts), default=0)) > _MOST_CHARACTERS:
        return Failure(f"a text has {longest} characters; it may have {_MOST_CHARACTERS}", 413, is_callers=True)
    return texts


def _read(request: HandlerRequest) -> list[str] | Failure:
    if request.tensors is not None:
        try:
            return [one.decode() if isinstance(one, bytes) else one for one in request.tensors[TEXT].ravel().tolist()]
        except UnicodeDecodeError:
            return Failure(f"{TEXT}: it is not UTF-8", 400, is_callers=True)
    texts: list[str] = []
    for k, instance in enumerate(request.instances or ()):
        text = _one_of(instance)
        if text is None:
            return Failure(f'feed[{k}]: a text is expected, {{"{TEXT}": "..."}}', 400, is_callers=True)
        texts.append(text)
    if request.instances is None:
        return Failure(f'JSON is expected: {{"feed": [{{"{TEXT}": "..."}}]}}', 400, is_callers=True)
    return texts


def _one_of(instance: Mapping[str, Any]) -> str | None:
    """A text, or a list with one, as forms for tensors send it."""
    value = instance.get(TEXT)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) and set(instance) == {TEXT} else None
