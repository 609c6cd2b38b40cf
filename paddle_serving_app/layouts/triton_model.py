"""One model of a Triton repository: a folder with config.pbtxt and numbered folders, of which the newest is meant.

What is here is a model that a library runs. A model.py, and an ensemble of several models, are served by who opens the
whole repository (`paddle_serving_app.triton`).
"""

import logging
from pathlib import Path

from paddle_serving_app import conversions
from paddle_serving_app.triton import folder, platforms, repository
from paddle_serving_client.errors import BadModel

logger = logging.getLogger(__name__)

LOOKS_FOR = f"a model of a Triton repository: a folder with {folder.CONFIG}, and the model in a numbered folder of it"
YIELDS_TO = ("serving_folder", "paddle_program", "onnx", "savedmodel")
"""A model that lies beside the config is meant itself."""


def claims(path: Path) -> bool:
    """By the config."""
    return (path / folder.CONFIG).is_file()


def served(path: Path) -> Path:
    """What its newest version was converted to; what is not honoured of its config is logged."""
    model = repository.opened(path)
    if model.config.is_ensemble or model.config.backend == platforms.PYTHON:
        what = "an ensemble" if model.config.is_ensemble else "a model.py"
        raise BadModel(
            f"{path} is {what}, which no library runs by itself; serve the repository that it is in "
            "(--model_repository)"
        )
    for note in model.notes:
        logger.warning("%s: %s", path, note)
    return conversions.folder_of(model.files[model.versions[-1]])


def name_of(path: Path) -> str:
    """That of its config, or of the folder."""
    return repository.name_of(path)
