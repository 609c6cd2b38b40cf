"""Model folders for the tests of this package, each made once."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import models

Folder = Callable[[str, str], Path]
"""From the name of a builder in `tests.models` and a form to a folder; not to be changed: copy it first."""


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Folders of `tests.models`, made when they are first asked for."""
    root = tmp_path_factory.mktemp("models")

    @functools.cache
    def make(name: str, form: str) -> Path:
        folder: Path = getattr(models, name)(root / f"{name}-{form}", form)
        return folder

    return make
