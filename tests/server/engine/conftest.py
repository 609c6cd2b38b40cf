"""One engine process of the uci model for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests import models
from tests.server.engine.processes import EngineProcess


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """It dies on one value and sleeps on another: see `mortal_worker`."""
    folder = tmp_path_factory.mktemp("engine")
    process = EngineProcess(models.uci(folder / "uci"), str(folder / "engine.sock"))
    yield process
    process.close()
