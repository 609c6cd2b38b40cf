"""What is said about libraries that are not there."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from paddle_serving_app.choosing import advice
from paddle_serving_client import model_config
from tests.app.conftest import Folder

NEEDS = "a Paddle program has to be converted to ONNX first, which needs paddle2onnx: pip install paddle2onnx"
NO_ORT, NO_OPENVINO = (
    "onnxruntime is not installed: pip install onnxruntime",
    "openvino is not installed: pip install openvino",
)


@pytest.mark.parametrize(
    ("model", "form", "missing", "expected"),
    [
        ("uci", "json", (), None),
        ("uci", "json", ("paddle2onnx",), NEEDS),
        ("uci", "json", ("paddle2onnx", "openvino"), f"{NEEDS}; {NO_OPENVINO}"),
        ("uci", "pdmodel", ("onnxruntime",), NO_ORT),
        ("uci", "onnx", ("paddle2onnx", "paddle", "openvino"), NO_OPENVINO),
        ("lod", "pdmodel", ("paddle2onnx", "openvino"), None),  # no other library can read it
    ],
)
@pytest.mark.paddle2onnx
def test_what_is_missing_and_how_to_get_it(
    model_folder: Folder,
    model: str,
    form: Any,
    missing: tuple[str, ...],
    expected: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder: Path = model_folder(model, form)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else found(name))
    monkeypatch.setattr("sys.version_info", (3, 12))
    assert advice.on_missing(folder, model_config.read(folder)) == expected
