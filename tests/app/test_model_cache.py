"""Where what was found out about a model is kept."""

import os
from pathlib import Path

import pytest

from paddle_serving_app import model_cache


def test_beside_the_model(tmp_path: Path) -> None:
    assert model_cache.folder_for(tmp_path) == tmp_path / ".cache"
    assert model_cache.folder_for(tmp_path) == tmp_path / ".cache"


def test_in_the_users_cache_where_the_model_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    folders = [tmp_path / name / "model" for name in ("a", "b")]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / ".cache").write_text("no folder can be made here")
    found = [model_cache.folder_for(folder) for folder in folders]
    assert found == [model_cache.folder_for(folder) for folder in folders]
    assert found[0] != found[1]
    assert all(folder.is_relative_to(tmp_path / "user" / "paddle_serving") for folder in found)


def test_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".cache").write_text("no folder can be made here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    found = model_cache.folder_for(tmp_path)
    assert found.is_dir()
    found.rmdir()


def test_what_an_image_brought_along_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    model = tmp_path / "model"
    assert model_cache.find(model, "x") is None
    assert not model.exists()
    (model / ".cache").mkdir(parents=True)
    (model / ".cache" / "x").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: path.exists() and mode == os.R_OK)
    assert model_cache.find(model, "x") == model / ".cache" / "x"
