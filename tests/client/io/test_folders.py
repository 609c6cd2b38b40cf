"""The two folders are written whole or not at all, and what is a user's stays."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.io import folders
from paddle_serving_client.io.source import ModelFile
from paddle_serving_client.model_config import ModelSpec, Variable
from tests.client.io.trained import tree

SPEC = ModelSpec((Variable("x", "x", 1, (13,)),), (Variable("y", "价格", 1, (1,)),))
SERVER_FILES = ["m.pdiparams", "m.pdmodel", "manifest.json", model_config.SERVER_CONFIG, model_config.SERVER_STREAM]
CLIENT_FILES = [model_config.CLIENT_CONFIG, model_config.CLIENT_STREAM]


@pytest.fixture
def files(tmp_path: Path) -> list[ModelFile]:
    parts = []
    for name in ("program", "b", "w"):
        parts.append(tmp_path / "source" / name)
        parts[-1].parent.mkdir(exist_ok=True)
        parts[-1].write_bytes(name.encode())
    return [ModelFile("m.pdmodel", (parts[0],)), ModelFile("m.pdiparams", (parts[1], parts[2]))]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_both_folders(tmp_path: Path, files: list[ModelFile]) -> None:
    server, client = tmp_path / "a" / "b" / "server", tmp_path / "客户端"
    folders.write_pair(server, client, files, SPEC)
    assert (names(server), names(client)) == (SERVER_FILES, CLIENT_FILES)
    assert (server / "m.pdiparams").read_bytes() == b"bw"
    assert manifest.verify(server).files == ("m.pdiparams", "m.pdmodel")
    assert model_config.read(server) == model_config.read(client, model_config.CLIENT_CONFIG) == SPEC
    for config in ("conf.prototxt", "conf.stream.prototxt"):
        assert (server / f"serving_server_{config}").read_bytes() == (client / f"serving_client_{config}").read_bytes()


def test_both_may_be_one_folder(tmp_path: Path, files: list[ModelFile]) -> None:
    for _ in range(2):
        folders.write_pair(tmp_path / "one", tmp_path / "one", files, SPEC)
        assert names(tmp_path / "one") == sorted(SERVER_FILES + CLIENT_FILES)
    assert manifest.verify(tmp_path / "one").is_verified


def test_client_may_be_inside_the_server_folder(tmp_path: Path, files: list[ModelFile]) -> None:
    folders.write_pair(tmp_path / "s", tmp_path / "s" / "client", files, SPEC)
    assert names(tmp_path / "s") == ["client", *SERVER_FILES]


def test_permissions_are_the_usual_ones(tmp_path: Path, files: list[ModelFile]) -> None:
    (tmp_path / "usual").mkdir()
    (tmp_path / "usual" / "file").touch()
    folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    assert (tmp_path / "s").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert (tmp_path / "s" / manifest.NAME).stat().st_mode == (tmp_path / "usual" / "file").stat().st_mode


def test_relative_folders_and_the_current_one(
    tmp_path: Path, files: list[ModelFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folders.write_pair(".", "deep/er/client", files, SPEC)
    assert names(tmp_path / "here") == ["deep", *SERVER_FILES]
    assert Path.cwd() == tmp_path / "here"


def test_users_files_stay_and_ours_are_replaced(tmp_path: Path, files: list[ModelFile]) -> None:
    folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    (tmp_path / "s" / "fluid_time_file").touch()
    (tmp_path / "s" / "labels").mkdir()
    files[0].parts[0].write_bytes(b"new program")
    folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    assert names(tmp_path / "s") == ["fluid_time_file", "labels", *SERVER_FILES]
    assert (tmp_path / "s" / "m.pdmodel").read_bytes() == b"new program"
    assert manifest.verify(tmp_path / "s").is_verified


def test_files_of_the_conversion_before_go(tmp_path: Path, files: list[ModelFile]) -> None:
    folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    renamed = [ModelFile("n.json", files[0].parts), ModelFile("sub/n.pdiparams", files[1].parts)]
    folders.write_pair(tmp_path / "s", tmp_path / "c", renamed, SPEC)
    assert names(tmp_path / "s") == ["manifest.json", "n.json", *SERVER_FILES[3:], "sub"]
    assert manifest.verify(tmp_path / "s").files == ("n.json", "sub/n.pdiparams")


@pytest.mark.parametrize("name", ["__model__", "old.pdmodel", "old.pdiparams", "__params__", "net.onnx"])
def test_another_models_files_are_not_joined(tmp_path: Path, files: list[ModelFile], name: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).write_bytes(b"old")
    with pytest.raises(BadConfig, match=f"already holds {name}, which this conversion would not replace"):
        folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    assert tree(tmp_path / "s") == {name: b"old"} and not (tmp_path / "c").exists()


def test_another_models_json_is_not_joined_but_other_json_may_be_there(tmp_path: Path, files: list[ModelFile]) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "labels.json").write_text("{}")
    (tmp_path / "s" / "inference.json").write_text('{"base_code": {"magic": "pir", "version": 4}}')
    with pytest.raises(BadConfig, match="already holds inference.json, which"):
        folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    (tmp_path / "s" / "inference.json").unlink()
    folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    assert names(tmp_path / "s") == ["labels.json", *SERVER_FILES]


def test_folder_name_that_is_a_file(tmp_path: Path, files: list[ModelFile]) -> None:
    (tmp_path / "f").write_text("mine")
    for pair in ((tmp_path / "f", tmp_path / "c"), (tmp_path / "s", tmp_path / "f")):
        with pytest.raises(BadConfig, match="is a file; a folder is to be written there"):
            folders.write_pair(*pair, files, SPEC)
    assert names(tmp_path) == ["f", "source"]


@pytest.mark.parametrize("name", ["manifest.json", model_config.SERVER_CONFIG, model_config.CLIENT_STREAM, "m.pdmodel"])
def test_two_files_of_one_name(tmp_path: Path, files: list[ModelFile], name: str) -> None:
    with pytest.raises(BadConfig, match="would hold two files named"):
        folders.write_pair(tmp_path / "s", tmp_path / "c", [files[0], ModelFile(name, files[1].parts)], SPEC)
    assert names(tmp_path) == ["source"]


@pytest.mark.parametrize("is_there", [True, False])
def test_failure_leaves_everything_as_it_was(tmp_path: Path, files: list[ModelFile], is_there: bool) -> None:
    if is_there:
        folders.write_pair(tmp_path / "a" / "s", tmp_path / "a" / "c", files, SPEC)
    before = tree(tmp_path)
    files[1].parts[1].rename(tmp_path / "source" / "elsewhere")
    with pytest.raises(BadModel, match="w: it is missing"):
        folders.write_pair(tmp_path / "a" / "s", tmp_path / "a" / "c", files, SPEC)
    (tmp_path / "source" / "elsewhere").rename(files[1].parts[1])
    assert tree(tmp_path) == before
    assert (tmp_path / "a").exists() == is_there


def test_links_to_folders_stay_links(tmp_path: Path, files: list[ModelFile]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    folders.write_pair(tmp_path / "link", tmp_path / "c", files, SPEC)
    assert (tmp_path / "link").is_symlink() and names(tmp_path / "real") == SERVER_FILES


def test_link_inside_does_not_lead_out(tmp_path: Path, files: list[ModelFile]) -> None:
    for folder in ("s", "outside"):
        (tmp_path / folder).mkdir()
    (tmp_path / "s" / "sub").symlink_to("../outside")
    with pytest.raises(BadConfig, match="leads out of"):
        folders.write_pair(tmp_path / "s", tmp_path / "c", [ModelFile("sub/w", files[0].parts)], SPEC)
    assert names(tmp_path / "outside") == [] and names(tmp_path / "s") == ["sub"]


def test_a_manifest_that_is_not_ours_deletes_nothing(tmp_path: Path, files: list[ModelFile]) -> None:
    (tmp_path / "precious").write_text("mine")
    folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    text = (tmp_path / "s" / manifest.NAME).read_text().replace('"m.pdiparams"', '"../precious"')
    (tmp_path / "s" / manifest.NAME).write_text(text)
    with pytest.raises(BadModel, match="'../precious' is not a name of a file inside the folder"):
        folders.write_pair(tmp_path / "s", tmp_path / "c", files, SPEC)
    assert (tmp_path / "precious").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path: Path, files: list[ModelFile]) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(PermissionError):
        folders.write_pair(tmp_path / "locked" / "s", tmp_path / "c", files, SPEC)


def test_source_and_server_folder_may_be_one(tmp_path: Path, files: list[ModelFile]) -> None:
    shutil.copy(files[0].parts[0], tmp_path / "source" / "m.pdmodel")
    folders.write_pair(
        tmp_path / "source", tmp_path / "c", [ModelFile("m.pdmodel", (tmp_path / "source/m.pdmodel",))], SPEC
    )
    assert manifest.verify(tmp_path / "source").files == ("m.pdmodel",)


def test_conversions_at_the_same_time_leave_one_whole_model(tmp_path: Path) -> None:
    def model(number: int) -> list[ModelFile]:
        made = []
        for name in ("program", "params"):
            path = tmp_path / f"{number}.{name}"
            path.write_bytes(bytes([number]) * 50_000)
            made.append(ModelFile(f"{number % 3}.{'json' if name == 'program' else 'pdiparams'}", (path,)))
        return made

    failures: list[BaseException] = []

    def convert(number: int) -> None:
        try:
            for _ in range(5):
                folders.write_pair(tmp_path / "s", tmp_path / "c", model(number), SPEC)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=convert, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    files = manifest.verify(tmp_path / "s").files
    assert len(files) == 2 and len({(tmp_path / "s" / file).read_bytes() for file in files}) == 1
    assert names(tmp_path / "s") == sorted(
        [*files, manifest.NAME, model_config.SERVER_CONFIG, model_config.SERVER_STREAM]
    )
