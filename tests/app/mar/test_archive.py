"""Model archives: written, read, and refused."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_app import model_archiver
from paddle_serving_app.mar import archive
from paddle_serving_app.mar.archive import Archive
from paddle_serving_app.mar.manifest import Handler
from paddle_serving_app.mar.write import ModelArchiverConfig, generate_model_archive
from paddle_serving_client.errors import BadConfig, BadModel

CONFIG = "minWorkers: 1\nbatchSize: 4\nmaxBatchDelay: '50'\nuseVenv: true\nhandler:\n  threshold: 0.5\n"


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a model, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "handler.py": "def handle(data, context): ...",
        "net.pt": "weights",
        "model.py": "class Net: ...",
        "labels.json": "{}",
        "extra/data/a.txt": "a",
        "extra/helper.py": "",
        "extra/__pycache__/helper.pyc": "",
        "model-config.yaml": CONFIG,
        "requirements.txt": "numpy",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def opened(path: Path) -> Archive:
    return archive.opened(path, path.with_name("unpacked"))


def made(path: Path, manifest: object, **files: str) -> Path:
    """A zip with a manifest, and files."""
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("MAR-INF/MANIFEST.json", manifest if isinstance(manifest, str) else json.dumps(manifest))
        for name, text in files.items():
            out.writestr(name.replace("_py", ".py").replace("_yaml", ".yaml"), text)
    return path


@pytest.mark.parametrize(
    ("kind", "name"), [("default", "m.mar"), ("zip-store", "m.mar"), ("tgz", "m.tar.gz"), ("no-archive", "m")]
)
def test_what_is_written_is_read(parts: Path, kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model-name", "m", "-v", "1.0", "--serialized-file", "net.pt", "--model-file", "model.py"]
    words += ["--handler", "handler.py:handle", "--extra-files", "labels.json,extra", "-r", "requirements.txt"]
    words += ["-c", "model-config.yaml", "--archive-format", kind, "--runtime", "python3"]
    assert model_archiver.main(words) == 0
    assert capsys.readouterr().out == f"wrote {name}\n"
    assert archive.is_archive(parts / name)
    found = opened(parts / name)
    manifest = found.manifest
    assert (manifest.model_name, manifest.model_version, manifest.runtime) == ("m", "1.0", "python3")
    assert manifest.handler == Handler(name="handler.py:handle", file="handler.py", function="handle")
    assert (manifest.serialized_file, manifest.model_file) == ("net.pt", "model.py")
    assert (manifest.requirements_file, manifest.config_file) == ("requirements.txt", "model-config.yaml")
    assert found.extra_files == ("data/a.txt", "helper.py", "labels.json")
    assert (found.folder / "data" / "a.txt").read_text() == "a"
    assert found.config["handler"] == {"threshold": 0.5}
    settings = found.settings
    assert (settings.min_workers, settings.batch_size, settings.max_batch_delay_ms) == (1, 4, 50)
    assert (settings.use_venv, settings.max_workers, settings.others) == (True, None, {"handler": {"threshold": 0.5}})
    assert set(manifest.content) == {"createdOn", "runtime", "model", "archiverVersion"}


def test_an_archive_is_replaced_only_by_force(parts: Path) -> None:
    for kind in ("default", "no-archive"):
        config = {"model_name": "m", "version": "1", "handler": "image_classifier", "archive_format": kind}
        generate_model_archive(ModelArchiverConfig(**config))  # type: ignore[arg-type]
        with pytest.raises(BadConfig, match="is there already; --force replaces it"):
            generate_model_archive(ModelArchiverConfig(**config))  # type: ignore[arg-type]
        again = generate_model_archive(ModelArchiverConfig(**{**config, "version": "2", "force": True}))  # type: ignore[arg-type]
        found = archive.opened(again, parts / f"unpacked-{kind}")
        assert (found.manifest.model_version, found.manifest.handler) == ("2", Handler(name="image_classifier"))
    assert not [name for name in os.listdir(parts) if "partial" in name or name.endswith(".old")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_name": "a b"}, "a model's name is letters, digits"),
        ({"handler": "none"}, "handler none.py: there is no such file"),
        ({"serialized_file": "none.pt"}, "serialized-file none.pt: there is no such file"),
        ({"extra_files": "labels.json, none"}, "extra-files none: there is no such file or folder"),
        ({"export_path": "none"}, "export-path none is no folder"),
        ({"runtime": "java"}, "runtime must be one of python, python3, LSP"),
    ],
)
def test_what_cannot_be_archived_is_named(parts: Path, changes: dict[str, Any], words: str) -> None:
    before = sorted(os.listdir(parts))
    config = ModelArchiverConfig(**{"model_name": "m", "version": "1", "handler": "handler.py", **changes})
    with pytest.raises(BadConfig, match=words):
        generate_model_archive(config)
    assert sorted(os.listdir(parts)) == before


def test_keys_that_are_not_known_are_kept(tmp_path: Path) -> None:
    said = {"model": {"modelName": "m", "handler": "h", "modelVersion": 2, "extensions": {"a": 1}}, "by": "hand"}
    found = opened(made(tmp_path / "m.mar", said, h_py=""))
    assert found.manifest.content == said
    assert (found.manifest.model_version, found.manifest.handler) == ("2", Handler(name="h", file="h.py"))


MODEL = {"modelName": "m", "handler": "h.py"}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("{", "MANIFEST.json: not JSON"),
        ([], "MANIFEST.json: must be a mapping of names to values"),
        ({}, "modelName must be letters, digits, _ . and -, got ''"),
        ({"model": {"modelName": "../m"}}, "modelName must be letters, digits"),
        ({"model": MODEL, "runtime": "java"}, "runtime must be one of python, python3, LSP, got 'java'"),
        ({"model": {**MODEL, "serializedFile": "../x"}}, "serializedFile must be a file of the archive, got '../x'"),
        ({"model": {**MODEL, "serializedFile": "x.pt"}}, "names 'x.pt', which is not in the archive"),
        ({"model": {**MODEL, "handler": "a/b.py"}}, "handler must be a file of the archive"),
        ({"model": {**MODEL, "handler": "h.py:1f"}}, "handler must be a file of the archive"),
        ({"model": {**MODEL, "configFile": "c.yaml"}}, "c.yaml: not YAML that is read here"),
    ],
)
def test_a_wrong_manifest_is_refused_and_leaves_nothing(tmp_path: Path, manifest: object, words: str) -> None:
    path = made(tmp_path / "m.mar", manifest, h_py="", c_yaml="!!python/object/apply:os.getcwd []")
    with pytest.raises(BadModel) as raised:
        opened(path)
    assert words in str(raised.value) and str(raised.value).startswith(str(path))
    assert os.listdir(tmp_path) == ["m.mar"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.mar", "w") as out:
        out.writestr("net.pt", b"")
    with pytest.raises(BadModel, match=r"m.mar: not a model archive: it has no MAR-INF/MANIFEST.json"):
        opened(tmp_path / "m.mar")
    (tmp_path / "m.mar").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(BadModel, match=r"m.mar: not a model archive, but a Git LFS pointer"):
        opened(tmp_path / "m.mar")


def test_links_out_of_a_folder_are_refused(parts: Path) -> None:
    config = ModelArchiverConfig(model_name="m", version="1", handler="handler.py", archive_format="no-archive")
    folder = generate_model_archive(config)
    (folder / "secret").symlink_to("/etc/hostname")
    with pytest.raises(BadModel, match="leads out of the folder"):
        opened(folder)
    assert not (parts / "unpacked").exists()
