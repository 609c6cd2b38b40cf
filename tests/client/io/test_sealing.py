"""Conversion to an encrypted folder: nothing of the model in the clear, one key for as many models as wanted."""

from pathlib import Path

import pytest

from paddle_serving_client import convert, encryption, io, manifest, model_config
from paddle_serving_client.encryption import Role
from paddle_serving_client.errors import BadConfig, BadModel
from tests import models
from tests.client.io import trained


def sealed(folder: Path, source: Path, name: str = "s") -> Path:
    io.inference_model_to_serving(source, folder / name, folder / "c", encryption=True, key_file=folder / "key")
    return folder / name


def test_the_folder_of_an_encrypted_model(tmp_path: Path) -> None:
    source = trained.uci(tmp_path / "m", "separate")
    server = sealed(tmp_path, source)
    assert {path.name for path in server.iterdir()} == {
        encryption.MODEL,
        encryption.PARAMS,
        manifest.NAME,
        model_config.SERVER_CONFIG,
        model_config.SERVER_STREAM,
    }
    assert manifest.verify(server).files == (encryption.MODEL, encryption.PARAMS)
    key = encryption.read_key(tmp_path / "key")
    program = b"".join(encryption.decrypted(server / encryption.MODEL, key, Role.PROGRAM))
    params = b"".join(encryption.decrypted(server / encryption.PARAMS, key, Role.PARAMS))
    assert program == (source / "__model__").read_bytes()
    assert params == (source / "fc_0.b_0").read_bytes() + (source / "fc_0.w_0").read_bytes()
    assert not any(models.UCI_W.tobytes() in path.read_bytes() for path in server.iterdir())


def test_a_key_that_is_there_is_used(tmp_path: Path) -> None:
    source = trained.uci(tmp_path / "m")
    one = sealed(tmp_path, source, "one")
    key = (tmp_path / "key").read_bytes()
    other = sealed(tmp_path, source, "other")
    assert (tmp_path / "key").read_bytes() == key
    for folder in (one, other):
        encryption.read_head(folder / encryption.MODEL, key, Role.PROGRAM)


def test_what_lay_there_in_the_clear_is_gone(tmp_path: Path) -> None:
    source = trained.uci(tmp_path / "m")
    io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c")
    assert (tmp_path / "s" / "model.pdmodel").exists()
    sealed(tmp_path, source)
    assert not (tmp_path / "s" / "model.pdmodel").exists()


def test_a_conversion_that_fails_takes_its_key_back(tmp_path: Path) -> None:
    source = trained.uci(tmp_path / "m")
    (tmp_path / "s").write_text("a file")
    with pytest.raises(BadConfig, match="s is a file"):
        sealed(tmp_path, source)
    assert not (tmp_path / "key").exists()


def test_what_is_no_key_is_kept(tmp_path: Path) -> None:
    source = trained.uci(tmp_path / "m")
    (tmp_path / "key").write_text("a diary")
    with pytest.raises(BadConfig, match="key: 7 bytes; a key has 16, 24, 32"):
        sealed(tmp_path, source)
    assert (tmp_path / "key").read_text() == "a diary"
    assert not (tmp_path / "s").exists()


def test_an_onnx_model_with_files_of_weights_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "m"
    source.mkdir()
    (source / "model.onnx").write_bytes(trained.onnx_model("w.bin").SerializeToString())
    (source / "w.bin").write_bytes(bytes(4))
    with pytest.raises(BadModel, match="such a model cannot be encrypted"):
        sealed(tmp_path, source)
    assert not (tmp_path / "key").exists()


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    source = trained.uci(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    assert convert.main(["--dirname", str(source), "--encryption", "--key_len", "256"]) == 0
    assert len((tmp_path / "key").read_bytes()) == 32
    assert (tmp_path / "serving_server" / encryption.MODEL).exists()
    assert convert.main(["--dirname", str(source), "--encryption", "--key_len", "100"]) == 1
    assert "key_len must be one of 128, 192, 256 bits, got 100" in capsys.readouterr().err
