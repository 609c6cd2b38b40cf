"""A served folder's SavedModel: where it is, and what its inputs and outputs are called."""

from pathlib import Path

from paddle_serving_app import model_files
from paddle_serving_client.io import saved_model
from paddle_serving_client.io.formats import saved_model as signatures


def find(folder: Path) -> Path | None:
    """The graph of a folder's SavedModel, by its name; None where there is none."""
    path = folder / saved_model.NAME
    return path if model_files.is_listed(path) else None


def names(folder: Path) -> dict[str, str]:
    """What the config calls the inputs and outputs, by their keys in the signature, which libraries know them by.

    Raises:
        BadModel: the SavedModel is damaged.
    """
    path = folder / saved_model.NAME
    return signatures.real_names(signatures.chosen(path, saved_model.read(path), None))
