"""`MAR-INF/MANIFEST.json`: what an archive says of itself.

{"createdOn": "27/11/2026 10:00:00", "runtime": "python", "archiverVersion": "0.12.0",
 "model": {"modelName": "m", "modelVersion": "1.0", "handler": "handler.py", "serializedFile": "m.pt", ...}}
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from paddle_serving_app.mar import values
from paddle_serving_client.errors import BadConfig, BadModel

NAME: Final = "MAR-INF/MANIFEST.json"
BUILT_IN: Final = ("base_handler", "image_classifier", "image_segmenter", "object_detector", "text_classifier")
"""The handlers that TorchServe brings, by name; those for DALI and for language models are not run here."""
FOREIGN: Final = ("dali_image_classifier", "vllm_handler", "trt_llm_handler")
RUNTIMES: Final = ("python", "python3", "LSP")
MODEL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)

_MAX_BYTES: Final = 1 << 20
_FILES: Final = ("serializedFile", "modelFile", "requirementsFile", "configFile")
_FILE: Final = re.compile(r"[^/\\\0:]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """What runs the model: one of TorchServe's, or a file of the archive."""

    name: str
    """As the manifest has it."""
    file: str = ""
    """Empty for one of `BUILT_IN`."""
    function: str = ""
    """The function to call, as in `handler.py:handle`; empty: the class, or `handle`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The parts that are known; `content` has all."""

    model_name: str
    model_version: str = ""
    handler: Handler | None = None
    serialized_file: str = ""
    model_file: str = ""
    requirements_file: str = ""
    config_file: str = ""
    runtime: str = "python"
    created_on: str = ""
    archiver_version: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    """The whole manifest, as handlers see it in `context.manifest`."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it names."""
        named = (self.serialized_file, self.model_file, self.requirements_file, self.config_file)
        handler = self.handler.file if self.handler is not None else ""
        return tuple(name for name in (*named, handler) if name)


def parse(raw: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        BadModel: it is no JSON, lacks a name, or names files that cannot be in an archive.
    """
    try:
        if len(raw) > _MAX_BYTES:
            raise BadModel(f"{where}: more than {_MAX_BYTES} bytes")
        content = values.mapping(json.loads(raw), where)
        model = values.mapping(content.get("model"), f"{where}: model")
        return _manifest(content, model, where)
    except (BadConfig, RecursionError, UnicodeDecodeError, json.JSONDecodeError) as exc:
        problem = str(exc) if isinstance(exc, BadConfig) else f"{where}: not JSON: {str(exc)[:128]}"
        raise BadModel(problem) from exc


def handler_of(name: str, where: str) -> Handler | None:
    """What a handler's name means: `image_classifier`, `handler.py`, `handler`, `handler.py:handle`.

    Raises:
        BadModel: no file could be called so.
    """
    if not name:
        return None
    if name in (*BUILT_IN, *FOREIGN):
        return Handler(name=name)
    file, _, function = name.partition(":")
    file = file if file.endswith(".py") else f"{file}.py"
    if not _FILE.fullmatch(file) or (function and not function.isidentifier()):
        raise BadModel(
            f"{where}: handler must be a file of the archive or one of TorchServe's, got {values.shown(name)}"
        )
    return Handler(name=name, file=file, function=function)


def _manifest(content: Mapping[str, Any], model: Mapping[str, Any], where: str) -> Manifest:
    name = values.text(model, "modelName", where)
    if not MODEL_NAME.fullmatch(name):
        raise BadModel(f"{where}: modelName must be letters, digits, _ . and -, got {values.shown(name)}")
    runtime = values.text(content, "runtime", where, "python")
    if runtime not in RUNTIMES:
        raise BadModel(f"{where}: runtime must be one of {', '.join(RUNTIMES)}, got {values.shown(runtime)}")
    files = {key: values.text(model, key, where) for key in _FILES}
    for key, file in files.items():
        if file and not _FILE.fullmatch(file):
            raise BadModel(f"{where}: {key} must be a file of the archive, got {values.shown(file)}")
    handler = values.text(model, "handler", where)
    return Manifest(
        model_name=name,
        model_version=values.text(model, "modelVersion", where),
        handler=handler_of(handler, where) if runtime != "LSP" else Handler(name=handler),
        serialized_file=files["serializedFile"],
        model_file=files["modelFile"],
        requirements_file=files["requirementsFile"],
        config_file=files["configFile"],
        runtime=runtime,
        created_on=values.text(content, "createdOn", where),
        archiver_version=values.text(content, "archiverVersion", where),
        content=content,
    )
