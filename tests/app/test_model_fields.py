"""A model's fields, where they are written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from paddle_serving_app import model_fields
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_client.convert import main as convert
from paddle_serving_client.encryption import read_key
from paddle_serving_client.errors import BadModel
from paddle_serving_client.wire.protobuf import bytes_field
from tests import data, models

GOLDEN = Path(data.__file__).parent / "weight_variation"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
FIELDS = (GOLDEN / "fields.yml").read_text()
OPTIONS = ModelOptions(backend="onnxruntime")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def onnx(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(GOLDEN / "barcamp2024-model-pytorch.onnx", folder / "net.onnx"))


def weight(path: Path, key: bytes | None = None, options: ModelOptions = OPTIONS) -> float:
    """What the model at a path answers to the row with names."""
    model = Model.load(path, options, key=key)
    try:
        table = model_fields.table_of(model.signature)
        assert table is not None and table.title == "Change of weight"
        tensors = table.tensors([EXPECTED["datapoint"]])
        return float(model.run(model.signature.arrange(tensors, {})).arrays[0][0, 0])
    finally:
        model.close()


@pytest.mark.parametrize("name", ["net.fields.yml", "fields.yml"])
def test_they_lie_beside_the_model(tmp_path: Path, name: str) -> None:
    path = onnx(tmp_path / "m")
    (path.parent / name).write_text(FIELDS)
    assert weight(path) == pytest.approx(EXPECTED["datapoint_expected"], abs=1e-6)


def test_they_may_be_in_the_metadata_of_an_onnx_file(tmp_path: Path) -> None:
    path = onnx(tmp_path / "m")
    entry = b"".join([*bytes_field(1, b"fields"), *bytes_field(2, FIELDS.encode())])
    path.write_bytes(path.read_bytes() + b"".join(bytes_field(14, entry)))
    assert weight(path) == pytest.approx(EXPECTED["datapoint_expected"], abs=1e-6)


def test_they_are_of_the_version_that_is_loaded(tmp_path: Path) -> None:
    path = onnx(tmp_path / "m")
    model = Model.load(path, OPTIONS)
    assert not model.signature.fields and model_fields.table_of(model.signature) is None
    model.close()
    (path.parent / "fields.yml").write_text(FIELDS)  # another conversion, which has them
    assert weight(path) == pytest.approx(EXPECTED["datapoint_expected"], abs=1e-6)


def test_what_does_not_fit_the_model_refuses_it(tmp_path: Path) -> None:
    path = onnx(tmp_path / "m")
    (path.parent / "fields.yml").write_text("fields: {age: }")
    with pytest.raises(BadModel, match=r"fields.yml: the fields make 1 column, but input 'x' .* \[-1, 18\]"):
        Model.load(path, OPTIONS)
    (path.parent / "fields.yml").write_text("fields: {day: {choices: [2024-01-01]}}")
    with pytest.raises(BadModel, match="a choice is a text, a number, true or false, got '2024-01-01'; put texts into"):
        Model.load(path, OPTIONS)


def test_they_go_along_with_an_encrypted_model(tmp_path: Path) -> None:
    folder = models.uci(tmp_path / "uci")
    names = ", ".join(f"a{k}: " for k in range(13))
    (folder / "fields.yml").write_text(f"fields: {{{names}}}")
    key, sealed = tmp_path / "key", tmp_path / "sealed"
    words = ["--dirname", str(folder), "--serving_server", str(sealed), "--serving_client", str(tmp_path / "client")]
    assert convert([*words, "--encryption", "--key_file", str(key)]) == 0
    model = Model.load(sealed, ModelOptions(backend="openvino"), key=read_key(key))
    try:
        table = model_fields.table_of(model.signature)
        assert table is not None
        row = {f"a{k}": float(models.UCI_INPUT[k]) for k in range(13)}
        tensors = table.tensors([row])
        assert np.array_equal(tensors["x"], models.UCI_INPUT[None])
    finally:
        model.close()
