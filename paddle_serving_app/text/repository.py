"""The Triton repository of a text classifier: tokens, model, labels, and the ensemble of the three.

    text_preprocessing/  config.pbtxt  1/model.py  1/text_encoding.py  1/tokenizer/tokenizer.json ...
    model_onnx/          config.pbtxt  1/model.onnx
    post_processing/     config.pbtxt  1/model.py  1/text_labels.py  1/id2label.json
    ensemble_model/      config.pbtxt

Triton runs it as it is, where numpy and tokenizers are installed, and so does our server.
"""

import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.text import checkpoint, text_encoding, text_labels, tokenizer_files
from paddle_serving_app.triton import model_tensors
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, BadModel

_HERE: Final = Path(__file__).parent
_PREPROCESSING, _MODEL, _POST = "text_preprocessing", "model_onnx", "post_processing"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a classifier is made of, on this machine."""

    model: Path
    """An ONNX file, a folder with one, or a checkpoint of transformers."""
    tokenizer: Path
    labels: Path
    """An id2label.json, or a folder or config.json that has it."""


def write(parts: Parts, target: Path, name: str = "ensemble_model", max_batch_size: int = 4) -> None:
    """Write the repository, whole or not at all; one that this wrote before is replaced.

    Args:
        parts: fetched already.
        target: the repository: not there, empty, or one of a text classifier.
        name: of the ensemble.
        max_batch_size: rows of one run.

    Raises:
        BadConfig: the name or the number cannot be one, or something else is at `target`.
        BadModel: a part is missing or damaged, or they do not fit each other. MissingLibrary: see `checkpoint`.
    """
    if not _NAME.fullmatch(name) or name in (_PREPROCESSING, _MODEL, _POST):
        raise BadConfig(f"{name!r} cannot be the name of the ensemble")
    if max_batch_size < 1:
        raise BadConfig(f"max_batch_size must be at least 1, got {max_batch_size}")
    _refuse_other(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        _write(parts, partial, name, max_batch_size)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _refuse_other(target: Path) -> None:
    if target.is_dir() and (not any(target.iterdir()) or (target / _PREPROCESSING).is_dir()):
        return
    if os.path.lexists(target):
        raise BadConfig(f"{target} is there already, and is no repository of a text classifier")


def _write(parts: Parts, root: Path, name: str, rows: int) -> None:
    before, model, behind = (root / part / "1" for part in (_PREPROCESSING, _MODEL, _POST))
    for folder in (before / "tokenizer", model, behind, root / name):
        folder.mkdir(parents=True)
    config = _config_of(parts)
    encoder = tokenizer_files.write(parts.tokenizer, before / "tokenizer", config)
    _model(parts.model, encoder, model / "model.onnx")
    labels, settings = _labels(parts.labels), _settings(config)
    inputs, classes = _tensors(model / "model.onnx")
    if classes not in (-1, len(labels)):
        raise BadModel(f"{parts.model} has {classes} classes, and {parts.labels} has {len(labels)} labels")
    shutil.copyfile(_HERE / "triton_models" / "text_preprocessing.py", before / "model.py")
    shutil.copyfile(_HERE / "text_encoding.py", before / "text_encoding.py")
    shutil.copyfile(_HERE / "triton_models" / "post_processing.py", behind / "model.py")
    shutil.copyfile(_HERE / "text_labels.py", behind / "text_labels.py")
    numbered = {str(number): label for number, label in enumerate(labels)}
    (behind / text_labels.ID2LABEL).write_text(json.dumps(numbered, ensure_ascii=False, indent=1) + "\n", "utf-8")
    activation = text_labels.activation_of(settings, len(labels))
    for part, text in _configs(name, rows, inputs, len(labels), activation).items():
        (root / part / "config.pbtxt").write_text(text, "utf-8")


def _config_of(parts: Parts) -> Path | None:
    folders = (parts.model, parts.model.parent, parts.tokenizer)
    files = [folder / text_encoding.MODEL_CONFIG for folder in folders if folder.is_dir()]
    return next((file for file in files if file.is_file()), None)


def _settings(config: Path | None) -> Mapping[str, Any]:
    try:
        read = {} if config is None else json.loads(config.read_text("utf-8"))
    except ValueError as exc:
        raise BadModel(f"{config}: {exc}") from exc
    return read if isinstance(read, dict) else {}


def _labels(path: Path) -> tuple[str, ...]:
    names = (text_labels.ID2LABEL, text_labels.MISSPELT, text_encoding.MODEL_CONFIG)
    files = [path / name for name in names if (path / name).is_file()] if path.is_dir() else [path]
    if not files:
        raise BadModel(f"{path} has no labels: expected {', '.join(names)}")
    try:
        return text_labels.read(files[0])
    except (OSError, ValueError) as exc:
        raise BadModel(f"{files[0]}: {exc}") from exc


def _model(source: Path, encoder: text_encoding.TextEncoder, target: Path) -> None:
    """The ONNX file as it is where there is one; else what torch makes of the checkpoint."""
    found = onnx_in(source)
    if found is None:
        checkpoint.export(source, encoder, target)
        return
    shutil.copyfile(found, target)
    for beside in found.parent.iterdir():  # external data
        if beside.name.startswith(found.name) and beside != found and beside.is_file():
            shutil.copyfile(beside, target.parent / beside.name)


def onnx_in(path: Path) -> Path | None:
    """The one ONNX file that a path is or holds; None: there is none.

    Raises:
        BadModel: there are several, and none is called model.onnx.
    """
    if path.is_file():
        return path if path.suffix == ".onnx" else None
    for folder in (path, path / "onnx"):
        if (folder / "model.onnx").is_file():
            return folder / "model.onnx"
        files = sorted(folder.glob("*.onnx")) if folder.is_dir() else []
        if len(files) > 1:
            raise BadModel(f"{folder} has several ONNX files: {', '.join(file.name for file in files[:4])}; name one")
        if files:
            return files[0]
    return None


def _tensors(file: Path) -> tuple[list[tuple[str, str]], int]:
    """The inputs of a classifier with their types, and how many classes it has; -1: it does not say."""
    found = model_tensors.read(file)
    if found is None:
        raise BadModel(f"{file}: its inputs and outputs cannot be read")
    known = text_encoding.NAMES
    if unknown := [tensor.name for tensor in found.inputs if tensor.name not in known]:
        raise BadModel(f"{file} takes {', '.join(unknown)}; a text classifier takes {', '.join(known)}")
    types = {tensor.name: dtype.ELEM_TYPES[tensor.elem_type].kserve for tensor in (*found.inputs, *found.outputs)}
    logits = next((tensor for tensor in found.outputs if tensor.name == checkpoint.LOGITS), None)
    if logits is None or types[logits.name] != "FP32":
        gave = ", ".join(f"{tensor.name} ({types[tensor.name]})" for tensor in found.outputs)
        raise BadModel(f"{file} gives {gave}; expected an output {checkpoint.LOGITS} (FP32)")
    if wrong := [tensor.name for tensor in found.inputs if types[tensor.name] not in ("INT64", "INT32")]:
        raise BadModel(f"{file}: input {wrong[0]} is {types[wrong[0]]}, expected INT64 or INT32")
    shape = logits.shape or ()
    return [(tensor.name, types[tensor.name]) for tensor in found.inputs], shape[-1] if len(shape) == 2 else -1


def _configs(name: str, rows: int, inputs: Sequence[tuple[str, str]], classes: int, activation: str) -> dict[str, str]:
    tokens = [(tensor, datatype, "-1") for tensor, datatype in inputs]
    text, logits = ("text_input", "STRING", "1"), (checkpoint.LOGITS, "FP32", str(classes))
    answer = [("labels", "STRING", str(classes)), ("scores", "FP32", str(classes))]
    python = 'backend: "python"\n'
    batching = "dynamic_batching { }\n"
    parameter = f'parameters {{ key: "activation" value {{ string_value: "{activation}" }} }}\n'
    names = [tensor for tensor, _ in inputs]
    steps = [
        _step(_PREPROCESSING, {"text_input": "text_input"}, {tensor: tensor for tensor in names}),
        _step(_MODEL, {tensor: tensor for tensor in names}, {checkpoint.LOGITS: checkpoint.LOGITS}),
        _step(_POST, {checkpoint.LOGITS: checkpoint.LOGITS}, {"labels": "labels", "scores": "scores"}),
    ]
    scheduling = f"ensemble_scheduling {{\n{''.join(steps)}}}\n"
    return {
        _PREPROCESSING: _config(_PREPROCESSING, rows, [text], tokens, python + batching),
        _MODEL: _config(_MODEL, rows, tokens, [logits], 'backend: "onnxruntime"\n' + batching),
        _POST: _config(_POST, rows, [logits], answer, python + parameter + batching),
        name: _config(name, rows, [text], answer, 'platform: "ensemble"\n' + scheduling),
    }


def _config(
    name: str, rows: int, inputs: Sequence[tuple[str, str, str]], outputs: Sequence[tuple[str, str, str]], rest: str
) -> str:
    ports = [("input", inputs), ("output", outputs)]
    lines = [
        f'{kind} {{ name: "{tensor}" data_type: TYPE_{datatype} dims: [ {dims} ] }}\n'
        for kind, tensors in ports
        for tensor, datatype, dims in tensors
    ]
    return f'name: "{name}"\nmax_batch_size: {rows}\n{"".join(lines)}{rest}'


def _step(model: str, takes: Mapping[str, str], gives: Mapping[str, str]) -> str:
    maps = [("input_map", takes), ("output_map", gives)]
    lines = [f'    {kind} {{ key: "{a}" value: "{b}" }}\n' for kind, names in maps for a, b in names.items()]
    return f'  step {{\n    model_name: "{model}"\n    model_version: -1\n{"".join(lines)}  }}\n'
