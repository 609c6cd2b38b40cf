"""Where bare models are converted to: once for the same files, whole or not at all, bounded, and never beside them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddle_serving_app import conversions, layout
from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel
from paddle_serving_client.io import folders
from tests import models
from tests.client.io import trained
from tests.serving import ROOT

CONVERT = """
import sys
from pathlib import Path
from paddle_serving_app import conversions
print(conversions.folder_of(Path(sys.argv[1])))
"""


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return trained.uci(tmp_path / "uci", "separate")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "paddle-serving-next" / "models"


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def test_the_same_files_are_converted_once_and_others_anew(bare: Path, cache: Path) -> None:
    first = conversions.folder_of(bare)
    written = (first / manifest.NAME).stat().st_mtime_ns
    elsewhere = Path(shutil.copytree(bare, bare.parent / "copy" / "uci"))
    assert conversions.folder_of(elsewhere) == first
    assert (first / manifest.NAME).stat().st_mtime_ns == written
    (bare / "fc_0.b_0").write_bytes(trained.record(models.UCI_B + 1))
    assert conversions.folder_of(bare) != first
    assert len(entries(cache)) == 2


def test_the_same_files_under_other_names_are_another_entry(tmp_path: Path) -> None:
    served = models.uci(tmp_path / "served")
    bare = trained.uci(tmp_path / "bare")
    for path, alias in ((served / "model.pdmodel", "price"), (bare / "model.pdmodel", "fc_0.tmp_1")):
        assert [fetch.alias for fetch in layout.opened(path).spec.fetches] == [alias]


def test_processes_that_convert_at_once_find_one_whole_folder(bare: Path, cache: Path) -> None:
    command = [sys.executable, "-c", CONVERT, str(bare)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(3)]
    said = {process.communicate(timeout=60)[0].strip() for process in started}
    assert said == {str(cache / entries(cache)[0])}
    assert manifest.verify(said.pop()).is_verified


def test_without_the_lock_an_entry_that_came_meanwhile_is_used(
    bare: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = folders.write_pair
    raced: list[bool] = []

    def write(*args: object, **options: object) -> None:
        real(*args, **options)  # type: ignore[arg-type]
        if not raced:
            raced.append(True)
            conversions.folder_of(bare)

    monkeypatch.setattr(conversions, "_LOCK_S", 0.0)
    monkeypatch.setattr(folders, "write_pair", write)
    assert manifest.verify(conversions.folder_of(bare)).is_verified
    assert len(entries(cache)) == 1


def test_files_that_change_meanwhile_are_not_kept_under_the_digest_of_the_old_ones(
    bare: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, new = folders.write_pair, trained.record(models.UCI_B + 1)

    def write(*args: object, **options: object) -> None:
        (bare / "fc_0.b_0").write_bytes(new)
        real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(folders, "write_pair", write)
    folder = conversions.folder_of(bare)
    assert entries(cache) == [folder.name]
    assert (folder / "params.pdiparams").read_bytes().startswith(new)


def test_what_is_damaged_or_half_is_made_anew(bare: Path) -> None:
    folder = conversions.folder_of(bare)
    (folder / "params.pdiparams").write_bytes(b"damaged")
    assert manifest.verify(conversions.folder_of(bare)).is_verified
    (folder / model_config.SERVER_CONFIG).unlink()
    assert layout.opened(bare).folder == folder


def test_old_entries_go_and_those_in_use_stay(bare: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "MOST_ENTRIES", 2)
    made = []
    for bias in range(4):
        (bare / "fc_0.b_0").write_bytes(trained.record(models.UCI_B + bias))
        made.append(conversions.folder_of(bare))
    assert len(entries(cache)) == 4  # all were used just now
    (cache / ".uci.partial").mkdir()  # a killed conversion left it
    old = time.time() - conversions.REST_S - 100
    for age, folder in enumerate([*reversed(made), cache / ".uci.partial"]):
        os.utime(folder, (old - age, old - age))
    conversions.folder_of(bare)
    assert entries(cache) == sorted(folder.name for folder in made[2:])
    monkeypatch.setattr(conversions, "MOST_BYTES", 1)
    os.utime(made[2], (old, old))
    conversions.folder_of(bare)
    assert entries(cache) == [made[3].name]


def test_without_a_cache_it_is_converted_for_this_process(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    command = [sys.executable, "-c", CONVERT, str(bare)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, env=environment, text=True, timeout=60, check=True)
    assert done.stdout.startswith(f"{tmp_path}/paddle-serving-converted-")
    assert not list(tmp_path.glob("paddle-serving-converted-*"))  # it is gone with the process


def test_what_an_image_brought_along_is_used_where_it_can_only_be_read(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = conversions.folder_of(bare)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert conversions.folder_of(bare) == folder


def test_what_cannot_be_served_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(BadModel, match="holds no model"):
        conversions.folder_of(tmp_path)
    folder = trained.paddle1(tmp_path / "m", combined=True)
    program = trained.paddle1_program()
    trained.add_tensor(program.blocks[0], "small", (-1, 1), data_type=22)
    trained.add_operator(program.blocks[0], "fetch", {"X": "small"}, {"Out": "fetch"}, col=1)
    (folder / "__model__").write_bytes(program.SerializeToString())
    with pytest.raises(BadModel, match="output 'small' is bfloat16, which cannot be served"):
        conversions.folder_of(folder)
    assert entries(cache) == []
