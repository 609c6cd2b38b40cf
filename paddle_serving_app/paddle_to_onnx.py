"""The ONNX model of a folder, for the libraries that read no Paddle program: one that lies there, or a conversion.

paddle2onnx can end its process, so it runs in one of its own (`converter`); what it made, or why it cannot, is kept in
the cache of the model under its digest, and found there the next time.
"""

import hashlib
import importlib.metadata
import importlib.util
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddle_serving_app import converter, model_cache, model_files, progress
from paddle_serving_app.backend import TensorSpec, version_of
from paddle_serving_app.model_files import PaddleModel
from paddle_serving_client.errors import MissingLibrary
from paddle_serving_client.io.formats.onnx import CONVERTED

logger = logging.getLogger(__name__)

_OPSET = 17
_LIMIT_S = 120.0
_CHILD = "import sys, paddle2onnx; paddle2onnx.export(*sys.argv[1:4], opset_version=int(sys.argv[4]))"
_FETCH_NAME = re.compile(r"fetch_name_(\d+)")
_CONVERTER = "paddle2onnx"
_NEEDED = {_CONVERTER: _CONVERTER, "paddle": "paddlepaddle"}
_OLD_VERSION = re.compile(r"[01]\.")
"""Of the converter: older ones read no program of Paddle 3, and are what pip finds where there is no newer one."""
_NEWEST_PYTHON = (3, 12)
"""For which there is a converter."""


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """An ONNX file, checked; or a model that stands for one."""

    path: Path
    outputs: tuple[TensorSpec, ...] = ()
    """The outputs of the Paddle program it was converted from; empty for one that was ONNX already."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """What inputs and outputs are called in the config, by what libraries call them: of a SavedModel."""

    def input_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """What the inputs are called in the config."""
        return tuple(self.keys.get(name, name) for name in names)

    def real_names(self, names: Sequence[str]) -> tuple[str, ...]:
        """What the outputs are called in the Paddle program: conversion renames them by position."""
        names = self.input_names(names)
        originals = [output.name for output in self.outputs]
        if not originals or set(names) <= set(originals):
            return names
        numbers = [int(m[1]) if (m := _FETCH_NAME.fullmatch(name)) else -1 for name in names]
        if all(0 <= number < len(originals) for number in numbers):
            return tuple(originals[number] for number in numbers)
        return tuple(originals) if len(originals) == len(names) else names


def refuses(folder: Path) -> str | None:
    """Why there can be no ONNX model for that folder, or None; looks at file names only."""
    if model_files.onnx_model(folder) is not None:
        return None
    if (program := model_files.paddle_program(folder)) is None:
        return model_files.no_model(folder, "*.onnx and no Paddle program")
    if model_files.has_converted(folder):
        return None
    if model_files.is_in_memory(program):
        return "an encrypted Paddle program would have to be converted to ONNX, which would lie on a disk in the clear"
    return _missing()


def onnx_of(folder: Path) -> OnnxModel:
    """The ONNX model of a folder, converted from its Paddle program if need be.

    Raises:
        BadModel: the model is damaged, or paddle2onnx cannot convert it; its message is kept.
        MissingLibrary: it would have to be converted, and paddle2onnx is not installed.
    """
    path = model_files.onnx_model(folder)
    if path is not None:
        model_files.check_onnx(path)
        return OnnxModel(path)
    model = model_files.read_paddle(folder)
    shipped = folder / name_beside(model)
    if model_files.is_listed(shipped):
        model_files.check_onnx(shipped)
        return OnnxModel(shipped, model.outputs)
    if (missing := _missing()) is not None:
        raise MissingLibrary(missing)
    target = model_cache.folder_for(folder) / f"{_key(model)}.onnx"
    _convert(model, target)
    model_files.check_onnx(target)
    return OnnxModel(target, model.outputs)


def lacks(folder: Path) -> str | None:
    """What would have to be there for a folder's Paddle program to have an ONNX form; None where nothing is missing."""
    program = model_files.paddle_program(folder)
    if program is None or model_files.is_in_memory(program) or model_files.has_converted(folder):
        return None
    return None if model_files.onnx_model(folder) is not None else _missing()


def name_beside(model: PaddleModel) -> str:
    """What the ONNX form of a Paddle program is called in the program's folder: no other program has that name."""
    return f"{CONVERTED}{model.digest()}.onnx"


def _missing() -> str | None:
    lacking = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if _CONVERTER not in lacking and _OLD_VERSION.match(version_of(_CONVERTER)):
        lacking.insert(0, f"'{_CONVERTER}>=2'")
    if not lacking:
        return None
    if any(_CONVERTER in package for package in lacking) and sys.version_info[:2] > _NEWEST_PYTHON:
        here, there = (".".join(map(str, version)) for version in (sys.version_info[:2], _NEWEST_PYTHON))
        return (
            f"a Paddle program has to be converted to ONNX first, and {_CONVERTER} is not to be had for Python {here}: "
            f"python -m paddle_serving_app.onnx_form on Python {there} puts the ONNX form into the model's folder"
        )
    names = " ".join(lacking)
    return f"a Paddle program has to be converted to ONNX first, which needs {names}: pip install {names}"


def _key(model: PaddleModel) -> str:
    """Differs whenever the conversion might: the model's bytes, paddle2onnx, the operator set."""
    made_by = f"{importlib.metadata.version('paddle2onnx')} {_OPSET} {model.digest()}"
    return hashlib.sha256(made_by.encode()).hexdigest()[:32]


def _convert(model: PaddleModel, target: Path) -> None:
    logger.info("converting %s to ONNX", model.program)
    progress.step("converting it to ONNX")

    def command(scratch: Path, made: Path) -> list[str]:
        stem = scratch / "model"
        program, params = (stem.with_suffix(s) for s in (".json" if model.is_pir else ".pdmodel", ".pdiparams"))
        program.symlink_to(model.program.resolve())
        if len(model.params) == 1:
            params.symlink_to(model.params[0].resolve())
        elif model.params:
            params.write_bytes(model.combined_params())
        return ["-c", _CHILD, str(program), str(params), str(made), str(_OPSET)]

    converter.make(target, model.program, _CONVERTER, command, _LIMIT_S)
