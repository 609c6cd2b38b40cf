"""What comes with a request to load a model: a config in the place of the one in the repository, and files."""

import base64
import binascii
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from paddle_serving_client.errors import BackendFailed, BadInput
from paddle_serving_server.config.triton.rules import RepositoryRules

Parameters = Mapping[str, str | bytes | bool | int]
"""Of a request to load or unload a model."""
UNEXPECTED: Final = "unexpected error on creating Triton parameter"
"""What is said of a parameter that there is not."""
_CONFIG: Final = "config"
_FILE: Final = "file:"
_MAX_FILES: Final = 1000
_MAX_DEPTH: Final = 16


@dataclass(frozen=True, slots=True)
class LoadAsked:
    """What comes with a request to load a model."""

    config: str = ""
    """As JSON, in the place of the one in the repository; empty: that counts."""
    files: Mapping[str, bytes] | None = None
    """By their paths in the folder of the model, in the place of all that is there."""

    @classmethod
    def of(cls, parameters: Parameters, *, in_base64: bool) -> "LoadAsked":
        """What the parameters of a request say.

        Raises:
            BackendFailed: there is no such parameter, or it is not of its type. BadInput: a file is no base64.
        """
        config, files = "", {}
        for name, value in parameters.items():
            if name == _CONFIG and isinstance(value, str):
                config = value
            elif name.startswith(_FILE) and isinstance(value, str | bytes):
                files[name.removeprefix(_FILE)] = _content(name, value, in_base64)
            else:
                raise BackendFailed(UNEXPECTED)
        return cls(config, files or None)


def written(rules: RepositoryRules, name: str, files: Mapping[str, bytes]) -> Path:
    """A folder with the files that came with a request.

    Raises:
        BadInput: a path leads elsewhere, or there are too many. OSError: it cannot be written.
    """
    if not rules.uploads:
        raise BadInput("this server takes no files")
    if len(files) > _MAX_FILES:
        raise BadInput(f"at most {_MAX_FILES} files are taken, {len(files)} came")
    for path in files:
        inside = PurePosixPath(path)
        if not path or inside.is_absolute() or ".." in inside.parts or "\0" in path or len(inside.parts) > _MAX_DEPTH:
            raise BadInput(f"file:{path[:128]} is no path in the folder of a model, as file:1/model.onnx")
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise BadInput(f"{name[:128]!r} is no name of a model")
    folder = Path(tempfile.mkdtemp(dir=rules.uploads)) / name
    folder.mkdir()
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def _content(name: str, value: str | bytes, in_base64: bool) -> bytes:
    if not in_base64:
        return value if isinstance(value, bytes) else value.encode()
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadInput(f"{name[:128]} is no base64: {exc}") from exc
