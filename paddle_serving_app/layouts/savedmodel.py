"""TensorFlow's SavedModel: the folder with `saved_model.pb`, or that file; its signature names inputs and outputs."""

from pathlib import Path

from paddle_serving_app import conversions
from paddle_serving_client.io import source

LOOKS_FOR = "a TensorFlow SavedModel: a folder with saved_model.pb, or that file"
YIELDS_TO = ("serving_folder",)
_KIND = "saved_model"


def claims(path: Path) -> bool:
    """By the name and the first bytes."""
    kinds = source.models_in(path).values() if path.is_dir() else [source.kind_of(path)]
    return _KIND in kinds


def served(path: Path) -> Path:
    """What it was converted to."""
    return conversions.folder_of(path)


def name_of(path: Path) -> str:
    """The folder's name; that above a number, which is a version of the model."""
    folder = (path if path.is_dir() else path.parent).resolve()
    return folder.parent.name if folder.name.isdigit() and folder.parent.name else folder.name
