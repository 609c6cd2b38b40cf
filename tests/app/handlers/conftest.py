"""What tests of handlers share."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from paddle_serving_app.triton.backend_utils import host
from tests.app.handlers import mar_archives
from tests.app.handlers.mar_archives import LoadArchive
from tests.app.handlers.python_models import Load, load


@pytest.fixture(name="load")
def load_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadArchive]:
    """Archives a handler, its source or the name of one of TorchServe's, and loads it, as an engine process would."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    known, loaded = set(sys.modules), mar_archives.Loaded(tmp_path)
    yield loaded
    loaded.close()
    _forget(known)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Writes a model folder of the Python backend and loads it; nothing that it imports stays."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(sys.modules)
    yield partial(load, tmp_path / "thing")
    _forget(set(before))
    host.connect(None)


def _forget(known: set[str]) -> None:
    """Forget the modules of handlers; libraries stay, which cannot be imported twice."""
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if "site-packages" not in Path(file).parts and not file.startswith(sys.base_prefix):
            del sys.modules[name]
