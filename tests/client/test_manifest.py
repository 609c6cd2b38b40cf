"""The digests of a model's files."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_serving_client import manifest
from paddle_serving_client.errors import BadModel

WEIGHTS = b"weights" * 1000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "模型"
    (model / "parts").mkdir(parents=True)
    (model / "a.pdmodel").write_bytes(b"program")
    (model / "a.pdiparams").write_bytes(WEIGHTS)
    (model / "parts" / "w.bin").write_bytes(b"more")
    (model / "notes.txt").write_text("not the model's")
    manifest.write(model, ["a.pdmodel", "a.pdiparams", "parts/w.bin"])
    return model


def rewrite(folder: Path, **changes: Any) -> None:
    content = json.loads((folder / manifest.NAME).read_text())
    (folder / manifest.NAME).write_text(json.dumps(content | changes))


def test_whole_folder_is_verified(folder: Path) -> None:
    verdict = manifest.verify(folder)
    assert verdict == manifest.Verdict(is_verified=True, files=("a.pdiparams", "a.pdmodel", "parts/w.bin"))
    assert str(verdict) == "verified: a.pdiparams, a.pdmodel, parts/w.bin match manifest.json"
    assert manifest.listed(folder) == verdict.files


def test_manifest_is_small_json_and_leaves_nothing_else(folder: Path) -> None:
    content = json.loads((folder / manifest.NAME).read_text())
    assert content["files"]["a.pdiparams"]["bytes"] == len(WEIGHTS)
    assert sorted(path.name for path in folder.iterdir()) == [
        "a.pdiparams",
        "a.pdmodel",
        manifest.NAME,
        "notes.txt",
        "parts",
    ]


def test_old_folder_without_manifest_is_unverified(tmp_path: Path) -> None:
    verdict = manifest.verify(tmp_path)
    assert not verdict.is_verified and verdict.files == ()
    assert str(verdict) == "unverified: there is no manifest.json"
    assert manifest.listed(tmp_path) == ()


def test_other_files_may_change(folder: Path) -> None:
    (folder / "notes.txt").write_text("edited")
    (folder / "serving_server_conf.prototxt").write_text("edited")
    assert manifest.verify(folder).is_verified


def test_one_flipped_bit_is_found(folder: Path) -> None:
    content = bytearray(WEIGHTS)
    content[3500] ^= 1
    (folder / "a.pdiparams").write_bytes(content)
    with pytest.raises(BadModel, match=r"a\.pdiparams: damaged or exchanged: SHA-256 \w{64}, but manifest.json says"):
        manifest.verify(folder)


def test_other_size_is_found(folder: Path) -> None:
    (folder / "a.pdiparams").write_bytes(WEIGHTS[:-1])
    with pytest.raises(BadModel, match=r"a\.pdiparams: 6999 bytes, but manifest.json says 7000"):
        manifest.verify(folder)


def test_missing_file_is_found(folder: Path) -> None:
    (folder / "a.pdiparams").unlink()
    with pytest.raises(BadModel, match=r"a\.pdiparams: it is missing"):
        manifest.verify(folder)


def test_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadModel, match="there is no such folder"):
        manifest.verify(tmp_path / "none")
    with pytest.raises(BadModel, match="not a folder"):
        manifest.verify(tmp_path / "file")


def test_link_inside_the_folder_is_followed(folder: Path) -> None:
    (folder / "a.pdiparams").rename(folder / "parts" / "real")
    (folder / "a.pdiparams").symlink_to("parts/real")
    assert manifest.verify(folder).is_verified


def test_folder_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert manifest.verify(tmp_path / "link").is_verified


@pytest.mark.parametrize("name", ["a.pdiparams", "parts"])
def test_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(BadModel, match="leads out of the folder"):
        manifest.verify(folder)


def test_link_circle_is_refused(folder: Path) -> None:
    (folder / "a.pdiparams").unlink()
    (folder / "a.pdiparams").symlink_to("a.pdiparams")
    with pytest.raises(BadModel, match="symbolic links"):
        manifest.verify(folder)


def test_pipe_folder_socket_are_refused_without_waiting(folder: Path, tmp_path: Path) -> None:
    victim = folder / "a.pdiparams"
    victim.unlink()
    os.mkfifo(victim)
    with pytest.raises(BadModel, match="a pipe, not a regular file"):
        manifest.verify(folder)
    victim.unlink()
    victim.mkdir()
    with pytest.raises(BadModel, match="a folder, not a regular file"):
        manifest.verify(folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        with pytest.raises(BadModel, match="a socket, not a regular file"):
            manifest.open_regular(tmp_path / "s")
    with pytest.raises(BadModel, match="a device, not a regular file"):
        manifest.open_regular(Path("/dev/zero"))


@pytest.mark.parametrize(
    "name", ["../a", "/etc/passwd", "a/../../b", "", ".", "a//b", "a\\b", "a\0b", "x/", "\ud800", "n" * 5000]
)
def test_names_that_leave_the_folder_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadModel):
        manifest.open_inside(folder, name)
    with pytest.raises(BadModel):
        manifest.write(folder, [name])
    rewrite(folder, files={name: {"bytes": 1, "sha256": "0" * 64}})
    with pytest.raises(BadModel):
        manifest.verify(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, '"format" is not'),
        ({"version": 2}, "version 2; this release reads 1"),
        ({"files": {}}, "names no file"),
        ({"files": ["a.pdmodel"]}, "names no file"),
        ({"files": {"a.pdmodel": 7}}, "the entry of 'a.pdmodel'"),
        ({"files": {"a.pdmodel": {"bytes": -1, "sha256": "0" * 64}}}, "the entry of 'a.pdmodel'"),
        ({"files": {"a.pdmodel": {"bytes": 7, "sha256": "0"}}}, "the entry of 'a.pdmodel'"),
    ],
)
def test_wrong_manifest_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(folder, **changes)
    with pytest.raises(BadModel, match=message):
        manifest.verify(folder)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (2 << 20), b"9" * 10_000])
def test_damaged_manifest_is_refused(folder: Path, raw: bytes) -> None:
    (folder / manifest.NAME).write_bytes(raw)
    with pytest.raises(BadModel, match=manifest.NAME):
        manifest.verify(folder)


def test_manifest_that_is_a_dangling_link_is_refused(folder: Path) -> None:
    (folder / manifest.NAME).unlink()
    (folder / manifest.NAME).symlink_to("nowhere")
    with pytest.raises(BadModel, match="it is missing"):
        manifest.verify(folder)


def test_manifest_of_nothing_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="no files"):
        manifest.write(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_writing_again_replaces(folder: Path) -> None:
    (folder / "a.pdiparams").write_bytes(b"new")
    manifest.write(folder, ["a.pdiparams"])
    assert manifest.verify(folder).files == ("a.pdiparams",)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_of_the_manifest_ends_in_a_verdict_or_bad_model(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("m")
    (folder / "w").write_bytes(b"w")
    manifest.write(folder, ["w"])
    raw = bytearray((folder / manifest.NAME).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / manifest.NAME).write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        manifest.verify(folder)
    except BadModel as exc:
        assert str(exc)
