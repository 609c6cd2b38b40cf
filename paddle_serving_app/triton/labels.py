"""The names of classes that a config gives an output: one a line, in a file beside the config."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paddle_serving_app.triton.config import TritonModelConfig
from paddle_serving_app.triton.folder import is_lfs_pointer
from paddle_serving_client.errors import BadModel
from paddle_serving_client.manifest import open_inside

_MAX_BYTES: Final = 16 << 20


def of(folder: Path, config: TritonModelConfig) -> Mapping[str, tuple[str, ...]]:
    """The labels of each output that has some, by index.

    Raises:
        BadModel: a file is missing, leads out of the folder, is too large, or no text.
    """
    return {
        output.name: _read(folder, output.label_filename, config.name)
        for output in config.outputs
        if output.label_filename
    }


def _read(folder: Path, name: str, model: str) -> tuple[str, ...]:
    path = folder / name
    if not path.is_file():
        raise BadModel(f"unable to load label file '{path}' of model '{model}': there is no such file")
    if is_lfs_pointer(path):
        raise BadModel(f"{path} is a Git LFS pointer, not the file itself; fetch it with `git lfs pull`")
    with open_inside(folder, name) as stream:
        raw = stream.read(_MAX_BYTES + 1)
    if len(raw) > _MAX_BYTES:
        raise BadModel(f"{path}: labels have at most {_MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise BadModel(f"{path}: labels must be UTF-8 text (byte {exc.start})") from exc
    lines = text.replace("\r\n", "\n").split("\n")
    return tuple(lines[:-1] if lines[-1] == "" else lines)
