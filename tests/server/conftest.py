"""One uci server for the tests of this folder that only ask it things."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import models
from tests.serving import Server, serve


@pytest.fixture(scope="session")
def uci_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The uci model."""
    return models.uci(tmp_path_factory.mktemp("uci") / "uci_housing")


@pytest.fixture(scope="session")
def uci_server(uci_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the uci model, named uci."""
    with serve(tmp_path_factory.mktemp("server"), "--model", str(uci_folder), "--name", "uci") as server:
        yield server
