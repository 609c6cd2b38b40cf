"""The file that an export of PaddleX, PaddleOCR, PaddleDetection, PaddleSeg or PaddleClas has beside its model.

It is written in one of three dialects, told apart by the key of its steps, and never by names of models:

    PreProcess.transform_ops    classifiers and text: each step a mapping of its name to its settings
    Preprocess                  detectors, layouts, instances, keypoints: each step a mapping with its `type`
    Deploy.transforms           segmentation: each step a mapping with its `type`
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_app import safe_yaml
from paddle_serving_app.mar.values import mapping, shown
from paddle_serving_app.ops.labels import MAX_LABELS
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.manifest import open_inside

FILES: Final = ("inference.yml", "infer_cfg.yml", "deploy.yaml", "inference.yaml", "deploy.yml")
"""What it is called; the first that is there counts."""
LABEL_FILE: Final = "labels.txt"
"""The names of the classes, one a line, of those exports that have none in them: segmentation."""
MAX_STEPS: Final = 64
_TEXTS: Final = ("character_dict", "label_list")
"""Lists of texts, which are written without quotes, too: 1, yes, ~."""
_HEAD_BYTES: Final = 64 << 10
_KEY = re.compile(rb"^(PreProcess|Preprocess|PostProcess|Deploy) *:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a description."""

    name: str
    settings: Mapping[str, Any]
    where: str
    """For messages."""


@dataclass(frozen=True, slots=True)
class Description:
    """What the file says."""

    path: Path
    values: Mapping[str, Any]
    dialect: str
    """The key of its steps."""
    steps: Sequence[Step]

    @property
    def folder(self) -> Path:
        """Where it lies, with the model."""
        return self.path.parent

    @property
    def where(self) -> str:
        """For messages."""
        return str(self.path)

    def part(self, key: str) -> Mapping[str, Any]:
        """A mapping of the file; empty where it is not there."""
        return mapping(self.values.get(key), f"{self.where}: {key}")

    def has_step(self, name: str) -> bool:
        """Whether there is a step of that name."""
        return any(step.name == name for step in self.steps)

    def labels(self, values: object, where: str) -> tuple[str, ...]:
        """A list of names."""
        if not isinstance(values, list) or not 0 < len(values) <= MAX_LABELS:
            raise BadConfig(f"{self.where}: {where} must be a list of 1 to {MAX_LABELS} names, got {shown(values)}")
        if wrong := [value for value in values if not isinstance(value, str)]:
            raise BadConfig(f"{self.where}: {where} must be a list of names, but it has {shown(wrong[0])}")
        return tuple(values)


def find(folder: Path) -> Path | None:
    """The description in a folder, told by its name and its first bytes; None: there is none."""
    for name in FILES:
        if (folder / name).is_file():
            with (folder / name).open("rb") as stream:
                if _KEY.search(stream.read(_HEAD_BYTES)):
                    return folder / name
    return None


def files_of(folder: Path) -> list[Path]:
    """The files that say what stands before and behind the model in a folder."""
    return [path for path in (find(folder), folder / LABEL_FILE) if path is not None and path.is_file()]


def read(folder: Path) -> Description:
    """Read the description in a folder.

    Raises:
        BadModel: there is none. BadConfig: it cannot be read, or has no steps.
    """
    path = find(folder)
    if path is None:
        raise BadModel(f"{folder} has none of {', '.join(FILES)} that says the steps of a model")
    with open_inside(folder, path.name) as stream:
        raw = stream.read(safe_yaml.MAX_BYTES + 1)
    values = mapping(safe_yaml.load(raw, str(path), as_texts=_TEXTS), str(path))
    for dialect, found in _lists_of(values, str(path)).items():
        if not isinstance(found, list) or not 0 < len(found) <= MAX_STEPS:
            raise BadConfig(f"{path}: {dialect} must be a list of 1 to {MAX_STEPS} steps, got {shown(found)}")
        steps = tuple(_step(entry, f"{path}: {dialect}[{k}]", dialect) for k, entry in enumerate(found))
        return Description(path, values, dialect, steps)
    raise BadConfig(
        f"{path} says no steps: neither PreProcess.transform_ops, nor Preprocess, nor Deploy.transforms; it has "
        f"{', '.join(map(str, values)) or 'nothing'}"
    )


def _lists_of(values: Mapping[str, Any], where: str) -> dict[str, object]:
    found = {
        "PreProcess.transform_ops": mapping(values.get("PreProcess"), f"{where}: PreProcess").get("transform_ops"),
        "Preprocess": values.get("Preprocess"),
        "Deploy.transforms": mapping(values.get("Deploy"), f"{where}: Deploy").get("transforms"),
    }
    there = {key: value for key, value in found.items() if value is not None}
    if len(there) > 1:
        raise BadConfig(f"{where} says its steps more than once: {' and '.join(there)}")
    return there


def _step(entry: object, where: str, dialect: str) -> Step:
    if dialect == "PreProcess.transform_ops":
        if not isinstance(entry, dict) or len(entry) != 1:
            raise BadConfig(f"{where} must be a mapping of one name to its settings, got {shown(entry)}")
        ((name, settings),) = entry.items()
        return Step(str(name), mapping(settings, f"{where} {name}"), f"{where} {name}")
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise BadConfig(f"{where} must be a mapping with a type, got {shown(entry)}")
    name = entry["type"]
    settings = {key: value for key, value in entry.items() if key != "type"}
    return Step(name, mapping(settings, f"{where} {name}"), f"{where} {name}")
