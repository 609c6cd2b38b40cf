"""The ONNX form of a SavedModel, for ONNX Runtime: made by tf2onnx where that is installed.

tf2onnx brings TensorFlow along, which prints, takes seconds to be imported and can end its process: see `converter`.
"""

import hashlib
import importlib.util
import logging
from pathlib import Path

from paddle_serving_app import converter, model_cache, model_files, progress, saved_model_files
from paddle_serving_app.backend import version_of
from paddle_serving_client import manifest
from paddle_serving_client.errors import MissingLibrary

logger = logging.getLogger(__name__)

_OPSET = 17
_LIMIT_S = 300.0
_CONVERTER = "tf2onnx"
_NEEDED = {_CONVERTER: _CONVERTER, "tensorflow": "tensorflow-cpu"}


def refuses() -> str | None:
    """Why there can be no ONNX form of a SavedModel here, or None."""
    lacking = [package for module, package in _NEEDED.items() if importlib.util.find_spec(module) is None]
    if not lacking:
        return None
    names = " ".join(lacking)
    return f"a SavedModel has to be converted to ONNX first, which needs {names}: pip install {names}"


def onnx_of(folder: Path) -> Path:
    """The ONNX form of a folder's SavedModel, converted if it was not before.

    Raises:
        BadModel: tf2onnx cannot convert it; its message is kept.
        MissingLibrary: tf2onnx or TensorFlow is not installed.
    """
    if (missing := refuses()) is not None:
        raise MissingLibrary(missing)
    path = saved_model_files.find(folder)
    assert path is not None  # that is when this is asked
    target = model_cache.folder_for(folder) / f"{_digest(folder)}.onnx"
    logger.info("converting %s to ONNX", path)
    progress.step("converting it to ONNX")
    converter.make(target, path, _CONVERTER, lambda _, made: _command(folder, made), _LIMIT_S)
    model_files.check_onnx(target)
    return target


def _command(folder: Path, made: Path) -> list[str]:
    words = ["-m", "tf2onnx.convert", "--saved-model", str(folder.resolve()), "--output", str(made)]
    return [*words, "--opset", str(_OPSET), "--tag", "serve"]


def _digest(folder: Path) -> str:
    """Differs whenever the conversion might."""
    versions = [version_of(_CONVERTER), version_of("tensorflow", "tensorflow-cpu", "tensorflow-intel")]
    digest = hashlib.sha256(f"{versions} {_OPSET}".encode())
    for name in manifest.listed(folder):
        with manifest.open_inside(folder, name) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]
