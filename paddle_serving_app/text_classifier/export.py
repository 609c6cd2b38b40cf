"""The ONNX file of a classifier: the one that is there, or one that torch exports of a checkpoint of transformers."""

from pathlib import Path
from typing import Any, Final

from paddle_serving_client.errors import BadModel, MissingLibrary

PATTERNS: Final = ("*.onnx", "*.onnx_data", "onnx/*", "*.json", "*.safetensors", "vocab.txt")
_PLACES: Final = ("model.onnx", "onnx/model.onnx")
_OPSET: Final = 17
_TOLERANCE: Final = 1e-4
"""Between the logits of both, beside the largest of them."""


def onnx_of(path: Path, scratch: Path) -> Path:
    """The ONNX file of a model.

    Args:
        path: an ONNX file; a folder with model.onnx, onnx/model.onnx or one other ONNX file; or with a checkpoint of
            transformers, as `save_pretrained` writes it.
        scratch: gets the file where it is exported.

    Raises:
        BadModel: there is neither. MissingLibrary: torch and transformers are needed for the export.
    """
    if path.is_file():
        return path
    for place in _PLACES:
        if (path / place).is_file():
            return path / place
    found = sorted(path.glob("*.onnx"))
    if len(found) == 1:
        return found[0]
    if found:
        raise BadModel(f"{path} has {', '.join(file.name for file in found)}; give the file itself")
    if not (path / "config.json").is_file():
        raise BadModel(f"{path}: there is neither an ONNX file nor a checkpoint of transformers (config.json)")
    return _exported(path, scratch / "model.onnx")


def _exported(checkpoint: Path, into: Path) -> Path:
    try:
        import torch
        from transformers import AutoModelForSequenceClassification
    except ImportError as exc:
        raise MissingLibrary(
            f"{checkpoint} is a checkpoint, not ONNX: its export needs torch and transformers; "
            'pip install "paddle-serving-next[convert-hf]"'
        ) from exc
    try:
        model = AutoModelForSequenceClassification.from_pretrained(checkpoint, attn_implementation="eager")
    except (OSError, ValueError) as exc:
        raise BadModel(f"{checkpoint}: transformers cannot load it: {exc}") from exc
    model.eval()
    names = ["input_ids", "attention_mask"]
    if getattr(model.config, "type_vocab_size", 0) > 1:
        names.append("token_type_ids")
    tokens = {name: torch.ones((2, 8), dtype=torch.int64) for name in names}
    axes = {name: {0: "rows", 1: "length"} for name in names} | {"logits": {0: "rows"}}
    with torch.inference_mode():
        torch.onnx.export(
            _Logits.around(torch, model, names),
            tuple(tokens.values()),
            str(into),
            input_names=names,
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
        _compare(torch, model, names, into)
    return into


def _compare(torch: Any, model: Any, names: list[str], exported: Path) -> None:
    """Refuse what answers otherwise than the checkpoint: other lengths, other rows, padding.

    Raises:
        BadModel: it does. MissingLibrary: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as exc:
        raise MissingLibrary("what was exported is compared by ONNX Runtime; pip install onnxruntime") from exc
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    for rows, length, padding in ((1, 1, 0), (3, 13, 5), (2, 30, 0)):
        ids = torch.randint(1, model.config.vocab_size, (rows, length), generator=generator)
        mask = torch.ones_like(ids)
        mask[0, length - padding :] = 0
        tokens = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
        tokens = {name: tokens[name] for name in names}
        wanted = model(**tokens).logits
        (got,) = session.run(["logits"], {name: values.numpy() for name, values in tokens.items()})
        distance = float((wanted - torch.from_numpy(got)).abs().max())
        if not distance <= _TOLERANCE * max(1.0, float(wanted.abs().max())):
            raise BadModel(
                f"what torch exported of the checkpoint answers otherwise than it, by {distance:.3g} for {rows} texts "
                f"of {length} tokens, {padding} of them padding; export it by optimum, and give the ONNX file"
            )


class _Logits:
    """A module with positional inputs and the one output."""

    @staticmethod
    def around(torch: Any, model: Any, names: list[str]) -> Any:
        """Made here, since torch is there only now."""

        class Module(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, *tokens: Any) -> Any:
                return self.model(**dict(zip(names, tokens, strict=True))).logits

        return Module()
