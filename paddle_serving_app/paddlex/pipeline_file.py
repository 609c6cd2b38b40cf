"""The YAML of a PaddleX pipeline: its models, where they lie, and what is set for each.

    pipeline_name: object_detection
    SubModules:
      ObjectDetection: {model_name: PicoDet-S, model_dir: ./models/PicoDet-S, threshold: 0.4}
    Serving: {visualize: False}

A `model_dir` that is relative lies beside the file, or in the current folder. Where there is none, the model is
looked for by its name where PaddleX keeps them: `$PADDLE_PDX_CACHE_HOME/official_models`, or `~/.paddlex`. Nothing is
downloaded.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_app import layout, safe_yaml
from paddle_serving_app.exported.settings import Settings
from paddle_serving_app.mar.values import mapping, shown
from paddle_serving_app.paddlex.known import KNOWN, REFUSED, Pipeline
from paddle_serving_client.errors import BadConfig, BadModel

SUFFIXES: Final = (".yaml", ".yml")
_HEAD_BYTES: Final = 4096
_KEY = re.compile(rb"^pipeline_name *:", re.MULTILINE)
_NOT_OURS: Final = ("module_name", "model_name", "model_dir", "batch_size", "use_hpip", "hpi_config", "engine")
"""Of a module: names, and how PaddleX would run it; here that is measured."""


@dataclass(frozen=True, slots=True)
class Module:
    """One model of a pipeline."""

    name: str
    folder: str
    """Of its export."""
    settings: Mapping[str, Any]
    """What stands for it in the YAML, over the model's own file."""
    batch_size: int


@dataclass(frozen=True, slots=True)
class PipelineSpec:
    """A pipeline, as its file says."""

    path: str
    pipeline: Pipeline
    modules: Mapping[str, Module]
    """By their names in the YAML; the main one first."""
    visualizes: bool
    """Whether answers have pictures where a request says nothing."""
    max_pages: int
    """Of one document; 0: any number."""


def claims(path: Path) -> bool:
    """Whether a file is one, told by its ending and its first bytes."""
    if path.suffix not in SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as stream:
        return _KEY.search(stream.read(_HEAD_BYTES)) is not None


def read(path: Path) -> PipelineSpec:
    """Read a file, and find its models.

    Raises:
        BadConfig: the pipeline is none that is offered (the text says why), something in it is not known, or a model
            is not there.
    """
    where = str(path)
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise BadConfig(f"{where} cannot be read: {exc.strerror}") from exc
    values = mapping(safe_yaml.load(raw, where), where)
    pipeline = _pipeline(values.get("pipeline_name"), where)
    for switch, reason in pipeline.switches.items():
        if values.get(switch, True) not in (False, 0):
            raise BadConfig(f"{where}: {switch} is on, or not said, which means on: {reason}; write {switch}: False")
    found = mapping(values.get("SubModules"), f"{where}: SubModules")
    wanted = [
        *pipeline.modules,
        *(m for m, switch in pipeline.optional.items() if values.get(switch, True) is not False),
    ]
    modules = {name: _module(name, found.get(name), path) for name in wanted}
    serving = Settings(mapping(values.get("Serving"), f"{where}: Serving"), f"{where}: Serving")
    extra = mapping(serving.raw("extra"), f"{where}: Serving.extra")
    pages = extra.get("max_num_input_imgs", 10)
    return PipelineSpec(
        where,
        pipeline,
        modules,
        serving.truth("visualize"),
        Settings({"max_num_input_imgs": 0 if pages is None else pages}, where).whole("max_num_input_imgs"),
    )


def _pipeline(name: object, where: str) -> Pipeline:
    if isinstance(name, str) and name in KNOWN:
        return KNOWN[name]
    reason = f": {REFUSED[name]}" if isinstance(name, str) and name in REFUSED else ""
    raise BadConfig(f"{where}: pipeline {shown(name)} is not offered{reason}; there are {', '.join(KNOWN)}")


def _module(name: str, said: object, path: Path) -> Module:
    where = f"{path}: SubModules.{name}"
    if said is None:
        raise BadConfig(f"{where} is missing")
    values = mapping(said, where)
    settings = Settings(values, where)
    model_name, model_dir = settings.raw("model_name"), settings.raw("model_dir")
    folder = _folder(model_name, model_dir, path, where)
    try:
        kind = layout.of(folder)
    except BadModel as exc:
        raise BadConfig(f"{where}: {exc}") from exc
    if kind != "exported_model":
        raise BadConfig(f"{where}: {folder} has no inference.yml that says the steps of the model")
    batch_size = settings.whole("batch_size", 1, least=1, most=4096)
    own = {key: value for key, value in values.items() if key not in _NOT_OURS and value not in (None, "None")}
    return Module(name, str(folder), own, batch_size)


def _folder(model_name: object, model_dir: object, path: Path, where: str) -> Path:
    if model_dir is not None:
        given = Path(str(model_dir).replace("\\", "/"))
        places: Sequence[Path] = [given] if given.is_absolute() else [path.parent / given, given]
    elif isinstance(model_name, str) and model_name and "/" not in model_name and not model_name.startswith("."):
        home = Path(os.environ.get("PADDLE_PDX_CACHE_HOME") or Path.home() / ".paddlex") / "official_models"
        places = [home / model_name, home / f"{model_name}_onnx"]
    else:
        raise BadConfig(f"{where} needs a model_dir, or the model_name of a model that PaddleX keeps")
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(map(str, places))
    raise BadConfig(f"{where}: there is no model {shown(model_name)}: looked for {looked}; nothing is downloaded")
