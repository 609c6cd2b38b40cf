"""A checkpoint of transformers as ONNX, by torch."""

import inspect
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from paddle_serving_app.text.text_encoding import TextEncoder
from paddle_serving_client.errors import BadModel, MissingLibrary

logger = logging.getLogger(__name__)

_OPSET: Final = 17
_TEXTS: Final = ("a text", "another one, which is a little longer than the first")
_TOLERANCE: Final = 1e-3
LOGITS: Final = "logits"


def export(folder: Path, encoder: TextEncoder, file: Path) -> None:
    """Write `AutoModelForSequenceClassification` of a folder as an ONNX file, and compare what both answer.

    Args:
        folder: as `save_pretrained` writes it.
        encoder: its tokenizer.
        file: is written.

    Raises:
        MissingLibrary: torch, transformers or what torch exports with is not installed.
        BadModel: it cannot be read or exported, or the ONNX file answers something else.
    """
    try:
        import torch
        import transformers
    except ImportError as exc:
        raise MissingLibrary(
            f"{folder} is a checkpoint; making ONNX of it needs torch and transformers: "
            "pip install 'paddle-serving-next[convert-hf]'"
        ) from exc
    try:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(str(folder), local_files_only=True)
    except Exception as exc:  # it raises what torch, json and safetensors raise
        raise BadModel(f"{folder}: transformers cannot read the model: {exc}") from exc
    model.eval()
    encodings = encoder.encode(_TEXTS)
    tensors = encoder.tensors(encodings, max(encoder.lengths(encodings)))
    names = _names_of(model, tensors)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # torch's, about shapes that are constants
            given = [torch.from_numpy(tensors[name]) for name in names]
            wanted = model(**dict(zip(names, given, strict=True))).logits.numpy()
            torch.onnx.export(
                _ordered(torch, model, names),
                tuple(given),
                str(file),
                input_names=list(names),
                output_names=[LOGITS],
                dynamic_axes={**{name: {0: "batch", 1: "tokens"} for name in names}, LOGITS: {0: "batch"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as exc:
        raise BadModel(f"{folder}: torch cannot export it: {type(exc).__name__}: {exc}") from exc
    _compare(file, {name: tensors[name] for name in names}, wanted)


def _ordered(torch: Any, model: Any, names: Sequence[str]) -> Any:
    """The model with its inputs in order, and the logits as its one output."""

    class Ordered(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(**dict(zip(names, tensors, strict=True))).logits

    return Ordered().eval()


def _names_of(model: Any, tensors: dict[str, Any]) -> list[str]:
    """The inputs that the model takes: some have no token types."""
    takes = inspect.signature(model.forward).parameters
    has_types = getattr(model.config, "type_vocab_size", 0) > 1
    return [name for name in tensors if name in takes and (name != "token_type_ids" or has_types)]


def _compare(file: Path, feed: dict[str, Any], wanted: Any) -> None:
    try:
        import onnxruntime
    except ImportError as exc:
        raise MissingLibrary("comparing the ONNX file with the checkpoint needs it: pip install onnxruntime") from exc
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for rows in (slice(0, 2), slice(0, 1)):
        (got,) = session.run([LOGITS], {name: tensor[rows] for name, tensor in feed.items()})
        distance = float(np.abs(got - wanted[rows]).max())
        if not distance < _TOLERANCE:
            raise BadModel(f"{file}: as ONNX it answers something else than the checkpoint, by {distance:g}")
    logger.info("%s: answers as the checkpoint does", file)
