"""Encrypted folders in libraries: the right answers with the key, one clear refusal without, nothing on a disk."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_app import decrypted
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.local_predict import LocalPredictor
from paddle_serving_app.model import Model
from paddle_serving_client import encryption, io
from paddle_serving_client.errors import BadModel
from tests import models
from tests.models import Form


def sealed(folder: Path, form: Form = "pdmodel", name: str = "s") -> tuple[Path, bytes]:
    """The encrypted folder of uci_housing, and its key."""
    source = models.uci(folder / f"{name}-source", form)
    for config in source.glob("*.prototxt"):
        config.unlink()
    key_file = folder / "key"
    io.inference_model_to_serving(
        source, folder / name, folder / "c", fetch_alias_names="price", encryption=True, key_file=key_file
    )
    return folder / name, encryption.read_key(key_file)


def old(folder: Path) -> tuple[Path, bytes]:
    """The same as Paddle Serving 0.9 encrypted it."""
    core: Any = pytest.importorskip("paddle.base.core")
    server = models.uci(folder / "old")
    key = bytes(range(16))
    cipher = core.CipherFactory.create_cipher()
    for name, to in (("model.pdmodel", encryption.MODEL), ("model.pdiparams", encryption.PARAMS)):
        cipher.encrypt_to_file((server / name).read_bytes(), key, str(server / to))
        (server / name).unlink()
    return server, key


def price(folder: Path, key: bytes | None, backend: str = "") -> float:
    model = Model.load(folder, ModelOptions(backend=backend), key=key)
    try:
        return float(model.run(model.signature.arrange({"x": models.UCI_INPUT[None]}, {})).arrays[0].item())
    finally:
        model.close()


@pytest.mark.parametrize(
    ("form", "backend"),
    [
        ("pdmodel", "paddle"),
        ("pdmodel", "openvino"),
        ("json", "paddle"),
        ("separate", "paddle"),
        ("onnx", "onnxruntime"),
        ("onnx", "openvino"),
    ],
)
def test_with_its_key_it_answers(tmp_path: Path, form: Form, backend: str) -> None:
    folder, key = sealed(tmp_path, form)
    assert price(folder, key, backend) == pytest.approx(models.UCI_PRICE, abs=1e-5)


def test_a_model_of_paddle_serving_answers(tmp_path: Path) -> None:
    folder, key = old(tmp_path)
    decrypted.check_key(folder, key)
    assert price(folder, key) == pytest.approx(models.UCI_PRICE, abs=1e-5)


def test_without_the_right_key_there_is_one_clear_refusal(tmp_path: Path) -> None:
    folder, _ = sealed(tmp_path)
    with pytest.raises(BadModel, match="s holds an encrypted model: its key is needed"):
        price(folder, None)
    for attempt in (price, decrypted.check_key):
        with pytest.raises(BadModel, match="encrypt_model: the key does not open it"):
            attempt(folder, bytes(16))


def test_a_wrong_key_for_a_model_of_paddle_serving(tmp_path: Path) -> None:
    folder, key = old(tmp_path)
    for first in range(40):  # of some keys the first byte that comes out is that of a program
        wrong = bytes([first ^ 0x80]) + key[1:]
        with pytest.raises(BadModel, match="encrypt_model: the key does not open it, or it is damaged"):
            decrypted.check_key(folder, wrong)


def test_files_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    folder, key = sealed(tmp_path)
    other, _ = sealed(tmp_path, name="other")
    (other / encryption.PARAMS).replace(folder / encryption.PARAMS)
    (folder / "manifest.json").unlink()
    with pytest.raises(BadModel, match="encrypt_params: belongs to another model"):
        price(folder, key)


def test_a_program_that_would_have_to_be_converted_is_refused_by_name(tmp_path: Path) -> None:
    folder, key = sealed(tmp_path, "json")
    with pytest.raises(BadModel, match="s cannot be loaded. onnxruntime: an encrypted Paddle program would have to"):
        price(folder, key, "onnxruntime")


def test_nothing_of_it_is_on_a_disk(tmp_path: Path) -> None:
    folder, key = sealed(tmp_path)
    with decrypted.opened(folder, key) as readable:
        files = {path.name: path for path in readable.iterdir()}
        assert sorted(files) == ["model.pdiparams", "model.pdmodel", "serving_server_conf.prototxt"]
        for name in ("model.pdiparams", "model.pdmodel"):
            assert os.readlink(files[name]).startswith(f"/proc/{os.getpid()}/fd/")
            assert os.readlink(os.readlink(files[name])).startswith("/memfd:")
        assert models.UCI_W.tobytes() in files["model.pdiparams"].read_bytes()
    assert not readable.parent.exists()


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    folder, key = sealed(tmp_path)
    price(folder, key)
    before = len(os.listdir("/proc/self/fd"))
    price(folder, key)
    with pytest.raises(BadModel):
        price(folder, bytes(16))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_model_in_the_clear_needs_no_key(tmp_path: Path) -> None:
    folder = models.uci(tmp_path / "plain")
    assert price(folder, bytes(16)) == pytest.approx(models.UCI_PRICE, abs=1e-5)
    decrypted.check_key(folder, bytes(16))


@pytest.mark.paddle2onnx
def test_it_is_measured_like_any_other(tmp_path: Path) -> None:
    folder, key = sealed(tmp_path, "onnx")
    model = Model.load(folder, ModelOptions(), tune_s=1.0, key=key)
    try:
        measured = {entry["backend"] for entry in json.loads(json.dumps(model.plan.describe()["table"]))}
        assert {"onnxruntime", "openvino"} <= measured
    finally:
        model.close()
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".onnx" and "source" not in str(path)]


def test_a_local_predictor_takes_the_key_file(tmp_path: Path) -> None:
    folder, _ = sealed(tmp_path)
    predictor = LocalPredictor()
    predictor.load_model_config(folder, key_file=tmp_path / "key")
    found = predictor.predict({"x": models.UCI_INPUT}, ["price"])
    np.testing.assert_allclose(found["price"], [[models.UCI_PRICE]], atol=1e-5)
