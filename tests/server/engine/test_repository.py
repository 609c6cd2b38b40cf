"""Folders that versions come from: which one is the newest, what is copied, and what a copy is safe from."""

import os
import threading
import time
from pathlib import Path

import pytest

from paddle_serving_app import model_cache
from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_server.engine import repository, store
from paddle_serving_server.engine.compatible import differences

CONFIG = model_config.SERVER_CONFIG


def model(folder: Path, weights: bytes = b"weights") -> Path:
    """What looks like a model; nobody loads it here."""
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text("feed_var {}")
    (folder / "model.pdiparams").write_bytes(weights)
    return folder


def test_numbers_count_and_other_names_do_not(tmp_path: Path) -> None:
    for name in ("1", "9", "10", "010", "v11", "1.5", "-3", "12345678901234567890"):
        model(tmp_path / name)
    (tmp_path / "11").mkdir()  # no config yet
    (tmp_path / "12").write_text("no folder")
    assert repository.numbers(tmp_path) == [10, 9, 1]
    assert repository.newest(tmp_path, skip=(10,)) == repository.Source(tmp_path / "9", 9)
    (tmp_path / CONFIG).write_text("feed_var {}")
    assert repository.newest(tmp_path) == repository.Source(tmp_path, None)


def test_a_look_tells_what_was_announced(tmp_path: Path) -> None:
    folder = model(tmp_path / "plain")
    before = repository.look(folder)
    (folder / "model.pdiparams").write_bytes(b"half of the new w")
    assert repository.look(folder) == before  # files may move as they like until the time file is touched
    (folder / repository.TIME_FILE).touch()
    assert repository.look(folder) != before

    numbered = tmp_path / "numbered"
    model(numbered / "1")
    before = repository.look(numbered)
    (numbered / "1" / ".cache").mkdir()
    assert repository.look(numbered) == before
    (numbered / "1" / "model.pdiparams").write_bytes(b"other")
    assert repository.look(numbered) != before


def test_a_numbered_folder_may_hold_a_bare_model_and_a_file_is_announced_beside_it(tmp_path: Path) -> None:
    for number in ("1", "2", "3"):
        (tmp_path / number).mkdir()
    for name in ("1/net.onnx", "2/net.onnx", "2/readme", "net.onnx"):
        (tmp_path / name).write_bytes(b"\x08\x08")
    (tmp_path / "3" / "net.onnx").touch()  # nothing is in it yet
    assert repository.numbers(tmp_path) == [2, 1]
    file = tmp_path / "net.onnx"
    assert repository.newest(file) == repository.Source(file, None)
    before = repository.look(file)
    (tmp_path / repository.TIME_FILE).touch()
    assert repository.look(file) != before


def test_what_holds_no_model_is_refused_and_named(tmp_path: Path) -> None:
    model(tmp_path / "models" / "7")
    repository.refuse_other(tmp_path / "models", "--model")
    repository.refuse_other(tmp_path / "models" / "7", "--model")
    with pytest.raises(BadConfig, match=r"--model /none: there is no such file or folder"):
        repository.refuse_other("/none", "--model")
    with pytest.raises(BadConfig, match=r"--model .*: it holds models/; expected .*"):
        repository.refuse_other(tmp_path, "--model")


def test_a_copy_has_the_files_and_knows_where_they_came_from(tmp_path: Path) -> None:
    source = model(tmp_path / "source")
    (source / ".hidden").write_text("stays")
    (source / repository.TIME_FILE).touch()
    (source / "external").mkdir()
    (source / "external" / "data.bin").write_bytes(os.urandom(3 << 20))
    copy = repository.copied(source, tmp_path / "copies" / "1")
    names = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    assert names == ["external/data.bin", "model.pdiparams", CONFIG]
    assert repository.is_same(source, copy)
    assert model_cache.folder_for(copy) == source / ".cache"
    for changed in (b"weightS", b"weights and more"):
        (source / "model.pdiparams").write_bytes(changed)
        assert not repository.is_same(source, copy)
        assert (copy / "model.pdiparams").read_bytes() == b"weights"


def test_a_link_inside_is_followed_and_one_that_leads_out_stays_a_link(tmp_path: Path) -> None:
    source = model(tmp_path / "source")
    (source / "inside").symlink_to("model.pdiparams")
    (tmp_path / "outside").write_bytes(b"secret")
    (source / "leads_out").symlink_to(tmp_path / "outside")
    manifest.write(source, ["model.pdiparams"])
    copy = repository.copied(source, tmp_path / "copy")
    assert not (copy / "inside").is_symlink()
    assert (copy / "leads_out").readlink() == tmp_path / "outside"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    source = model(tmp_path / "source")
    os.mkfifo(source / "model.pdmodel")
    with pytest.raises(BadModel, match="a pipe"):
        repository.copied(source, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == [source]
    with pytest.raises(BadModel, match=CONFIG):
        repository.copied(tmp_path / "nothing", tmp_path / "copy")


def test_files_that_are_being_written_are_waited_for(tmp_path: Path) -> None:
    source = model(tmp_path / "source", b"a" * 1000)

    def write_slowly() -> None:
        with (source / "model.pdiparams").open("ab", buffering=0) as file:
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                file.write(b"b")

    writing = threading.Thread(target=write_slowly)
    writing.start()
    copy = repository.copied(source, tmp_path / "copy")
    size = (copy / "model.pdiparams").stat().st_size
    writing.join()
    assert size == (source / "model.pdiparams").stat().st_size


def test_a_store_is_one_server_s_own_and_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    abandoned = tmp_path / "paddle-serving-models-old"
    model(abandoned / "model-0-1")
    with store.opened() as first, store.opened() as second:
        assert not abandoned.exists()
        assert first.is_dir() and second.is_dir() and first != second
        assert first.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []


def side(**changes: object) -> dict[str, object]:
    return {"name": "x", "alias": "x", "elem_type": 1, "shape": [-1, 13], "is_lod": False, **changes}


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([side()], [side()], []),
        ([side(shape=[-1, -1])], [side()], []),
        ([side(shape=[-1, 12])], [side()], ["input 'x' is [-1, 12], was [-1, 13]"]),
        ([side(shape=[13])], [side()], ["input 'x' is [13], was [-1, 13]"]),
        ([side(elem_type=0)], [side()], ["input 'x' is int64, was float32"]),
        ([side(is_lod=True)], [side()], ["with LoD"]),
        ([side(), side(alias="y")], [side()], ["inputs are 'x', 'y', were 'x'"]),
        ([side()], [side(alias="y")], ["outputs are 'y', were 'x'"]),
        ([side()], [side(shape=[-1, -1])], ["output 'x' is [-1, -1], was [-1, 13]"]),
        ([], [side(elem_type=5)], ["inputs are nothing, were 'x'", "output 'x' is float16"]),
    ],
)
def test_what_callers_would_notice(inputs: list[object], outputs: list[object], words: list[str]) -> None:
    found = differences({"inputs": [side()], "outputs": [side()]}, {"inputs": inputs, "outputs": outputs})
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))
