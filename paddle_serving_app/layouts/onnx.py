"""A bare ONNX model: the file, or a folder with one such file; its graph says what its inputs and outputs are."""

from pathlib import Path

from paddle_serving_app import conversions
from paddle_serving_client.io import source

LOOKS_FOR = "an ONNX model: a file NAME.onnx, or a folder with exactly one"
YIELDS_TO = ("serving_folder", "exported_model")
_KIND = "onnx"


def claims(path: Path) -> bool:
    """By the name and the first bytes; of a folder, that there is one such file."""
    kinds = list(source.models_in(path).values()) if path.is_dir() else [source.kind_of(path)]
    return kinds.count(_KIND) == 1


def served(path: Path) -> Path:
    """What it was converted to."""
    return conversions.folder_of(path)


def name_of(path: Path) -> str:
    """That of the file, without its ending, or of the folder, as it was given."""
    return path.resolve().name if path.is_dir() else path.stem
