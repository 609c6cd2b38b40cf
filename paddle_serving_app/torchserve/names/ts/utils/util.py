"""What handlers import from TorchServe's helpers."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

_PT2_BACKENDS = ("inductor", "cudagraphs", "onnxrt", "openxla", "tvm", "tensorrt", "ipex", "eager", "openvino")


class PredictionException(Exception):
    """There is no result.

    Args:
        message: what the caller is told.
        error_code: the status of the answer.
    """

    def __init__(self, message: str, error_code: int = 500) -> None:
        self.message = message
        self.error_code = error_code
        super().__init__(message)

    def __str__(self) -> str:
        return f"message : {self.message} error_code : {self.error_code}"


def list_classes_from_module(module: ModuleType, parent_class: type | None = None) -> list[type]:
    """The classes that a module defines itself; those below `parent_class` only, where one is given."""
    found = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]
    return [one for one in found if parent_class is None or issubclass(one, parent_class)]


def load_label_mapping(mapping_file_path: str) -> dict[str, str] | None:
    """The names of classes by their numbers; None where there is no such file.

    Raises:
        ValueError: it is none.
    """
    path = Path(mapping_file_path)
    if not path.is_file():
        logger.warning("%s is missing: classes have no names", path.name)
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} must be an object of names by number, got {type(content).__name__}")
    if isinstance(names := content.get("object_type_names"), list):
        content = {str(k): name for k, name in enumerate(names)}
    found: dict[str, str] = {}
    for key, value in content.items():
        name = value[-1] if isinstance(value, list) and value else value
        if not isinstance(name, str):
            raise ValueError(f"{path.name}: {key!r} must be a name, or a list that ends with one, got {value!r}")
        found[key] = name
    return found


def map_class_to_label(
    probs: Sequence[Sequence[float]],
    mapping: Mapping[str, str] | None = None,
    lbl_classes: Sequence[Sequence[int]] | None = None,
) -> list[dict[str, float]]:
    """For each row the probabilities by name, or by number where there are no names.

    Raises:
        ValueError: `probs` are no list of lists.
    """
    if not isinstance(probs, list) or not all(isinstance(row, list) for row in probs):
        raise ValueError("probs must be a list of lists")
    if lbl_classes is None:
        lbl_classes = [list(range(len(row))) for row in probs]
    return [
        {
            (mapping[str(number)] if mapping is not None else str(number)): prob
            for number, prob in zip(numbers, row, strict=True)
        }
        for numbers, row in zip(lbl_classes, probs, strict=True)
    ]


def check_valid_pt2_backend(backend: str) -> bool:
    """Whether `torch.compile` has such a backend."""
    return backend in _PT2_BACKENDS


def get_yaml_config(yaml_file_path: str) -> Any:
    """A file of YAML, as plain values."""
    from paddle_serving_app import safe_yaml

    return safe_yaml.load(Path(yaml_file_path).read_bytes(), yaml_file_path)
