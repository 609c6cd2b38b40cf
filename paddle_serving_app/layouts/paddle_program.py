"""A bare Paddle program with its parameters, as Paddle 1, 2 and 3 export it: the folder, or the program in it."""

from pathlib import Path

from paddle_serving_app import conversions
from paddle_serving_client.io import source

LOOKS_FOR = (
    "a Paddle program with its parameters: inference.json or *.pdmodel with *.pdiparams, or __model__; the folder with "
    "exactly one, or the program itself"
)
YIELDS_TO = ("serving_folder", "exported_model")
_KINDS = {"pir", "program"}


def claims(path: Path) -> bool:
    """By the name and the first bytes; of a folder, that there is one such file."""
    kinds = source.models_in(path).values() if path.is_dir() else [source.kind_of(path)]
    return sum(kind in _KINDS for kind in kinds) == 1


def served(path: Path) -> Path:
    """What it was converted to."""
    return conversions.folder_of(path)


def name_of(path: Path) -> str:
    """The folder's name: the program is called `inference` or `__model__` everywhere."""
    return (path if path.is_dir() else path.parent).resolve().name
