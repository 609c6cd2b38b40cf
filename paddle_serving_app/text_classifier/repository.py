"""A text classifier as a model repository: tokenizer, model, names of classes, and all three in a row."""

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from paddle_serving_app.text_classifier import class_names, tokenizer_files
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.io.formats import onnx
from paddle_serving_client.io.formats.onnx import Dims

NAME: Final = "ensemble_model"
MAX_BATCH_SIZE: Final = 4
STEPS: Final = ("text_preprocessing", "model_onnx", "post_processing")
"""The models around and behind the whole one."""
_BEFORE, _MODEL, _AFTER = STEPS
_CODE: Final = Path(__file__).parent / "steps"
_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUT: Final = "logits"


@dataclass(frozen=True, slots=True)
class Tensors:
    """What the model's file says of itself."""

    inputs: tuple[str, ...]
    output: str
    classes: int
    """0: it does not say."""


def write(root: Path, model: Path, tokenizer: Path, names: Path, name: str = NAME, rows: int = MAX_BATCH_SIZE) -> None:
    """Write the four models of a repository; those that are there already are replaced.

    Args:
        root: the repository, made where it is not there.
        model: an ONNX file; files with its weights lie beside it.
        tokenizer: see `tokenizer_files.opened`.
        names: see `class_names.read`.
        name: what callers call the whole.
        rows: texts that are taken together at most.

    Raises:
        BadConfig: the name is that of a step. BadModel: the files are damaged, or do not belong together.
        MissingLibrary: tokenizers is not installed.
    """
    if name in (_BEFORE, _MODEL, _AFTER):
        raise BadConfig(f"{name!r} is the name of a step; choose another one for the whole")
    tensors, labels = tensors_of(model), class_names.read(names)
    if tensors.classes not in (0, len(labels)):
        raise BadModel(f"{model} has {tensors.classes} classes, and {names} names {len(labels)}")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=root) as held:
        draft = Path(held)
        for step in (_BEFORE, _AFTER):
            (draft / step / "1").mkdir(parents=True)
            shutil.copyfile(_CODE / f"{step}.py", draft / step / "1" / "model.py")
        tokenizer_files.write(tokenizer, draft / _BEFORE / "1" / "tokenizer")
        numbered = {str(number): label for number, label in enumerate(labels)}
        (draft / _AFTER / "1" / "id2label.json").write_text(json.dumps(numbered, ensure_ascii=False), encoding="utf-8")
        _copy_model(model, draft / _MODEL / "1")
        (draft / name / "1").mkdir(parents=True)
        for of, text in _configs(name, rows, tensors, len(labels)).items():
            (draft / of / "config.pbtxt").write_text(text, encoding="utf-8")
        for of in (_BEFORE, _MODEL, _AFTER, name):
            shutil.rmtree(root / of, ignore_errors=True)
            (draft / of).rename(root / of)


def tensors_of(model: Path) -> Tensors:
    """What a classifier takes and gives.

    Raises:
        BadModel: it is no text classifier, or takes other inputs than a tokenizer gives.
    """
    inputs, outputs = onnx.shapes(model)
    strange = [name for name in inputs if name not in _INPUTS]
    if strange or "input_ids" not in inputs:
        raise BadModel(f"{model} takes {', '.join(inputs)}; a text classifier takes {', '.join(_INPUTS)}")
    other = [name for name, (elem_type, _) in inputs.items() if dtype.name_of(elem_type) != "int64"]
    if other:
        raise BadModel(f"{model}: input {other[0]!r} must be int64, got {dtype.name_of(inputs[other[0]][0])}")
    scores = {name: shape for name, (_, shape) in outputs.items() if shape is not None and len(shape) == 2}
    if _OUTPUT not in outputs and len(scores) != 1:
        raise BadModel(f"{model} gives {', '.join(outputs)}; a classifier gives logits of shape [rows, classes]")
    output = _OUTPUT if _OUTPUT in outputs else next(iter(scores))
    shape: Dims = outputs[output][1]
    classes = shape[1] if shape is not None and len(shape) == 2 and shape[1] > 0 else 0
    return Tensors(tuple(name for name in _INPUTS if name in inputs), output, classes)


def _copy_model(model: Path, into: Path) -> None:
    """The file as model.onnx, and beside it the files with its weights."""
    into.mkdir(parents=True)
    shutil.copyfile(model, into / "model.onnx")
    for data in onnx.external_files(model):
        (into / data).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model.parent / data, into / data)


def _configs(name: str, rows: int, tensors: Tensors, classes: int) -> dict[str, str]:
    tokens = [(given, "INT64", -1) for given in tensors.inputs]
    found = [("label", "STRING", 1), ("score", "FP32", 1), ("labels", "STRING", classes), ("scores", "FP32", classes)]
    text, logits = [("text_input", "STRING", 1)], [("logits", "FP32", classes)]
    of_model = [(tensors.output, "FP32", classes)]
    python = 'backend: "python"\n'
    return {
        _BEFORE: _config(_BEFORE, python, rows, text, tokens),
        _MODEL: _config(_MODEL, 'platform: "onnxruntime_onnx"\n', rows, tokens, of_model),
        _AFTER: _config(_AFTER, python, rows, logits, found),
        name: _config(name, 'platform: "ensemble"\n', rows, text, found, _scheduling(tensors, found)),
    }


def _scheduling(tensors: Tensors, found: Sequence[tuple[str, str, int]]) -> str:
    tokens = [(given, given) for given in tensors.inputs]
    steps_of = [
        _step(_BEFORE, [("text_input", "text_input")], tokens),
        _step(_MODEL, tokens, [(tensors.output, "scores_of_model")]),
        _step(_AFTER, [("logits", "scores_of_model")], [(given, given) for given, _, _ in found]),
    ]
    return f"ensemble_scheduling {{\n  step [\n{''.join(steps_of).rstrip(f',{chr(10)}')}\n  ]\n}}\n"


def _step(model: str, takes: Sequence[tuple[str, str]], gives: Sequence[tuple[str, str]]) -> str:
    lines = [f'      input_map {{ key: "{key}" value: "{value}" }}' for key, value in takes]
    lines += [f'      output_map {{ key: "{key}" value: "{value}" }}' for key, value in gives]
    inside = "\n".join(lines)
    return f'    {{\n      model_name: "{model}"\n      model_version: -1\n{inside}\n    }},\n'


def _config(
    name: str,
    kind: str,
    rows: int,
    takes: Sequence[tuple[str, str, int]],
    gives: Sequence[tuple[str, str, int]],
    scheduling: str = "dynamic_batching { }\n",
) -> str:
    inputs = "".join(_tensor("input", *tensor) for tensor in takes)
    outputs = "".join(_tensor("output", *tensor) for tensor in gives)
    return f'name: "{name}"\n{kind}max_batch_size: {rows}\n{inputs}{outputs}{scheduling}'


def _tensor(kind: str, name: str, datatype: str, length: int) -> str:
    return f'{kind} {{ name: "{name}" data_type: TYPE_{datatype} dims: [ {length} ] }}\n'
