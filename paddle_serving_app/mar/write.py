"""Writing model archives, as `torch-model-archiver` does: the same files, the same manifest, the same four formats."""

import glob
import io
import json
import logging
import os
import secrets
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from paddle_serving_app.mar import manifest as manifests
from paddle_serving_client import __version__
from paddle_serving_client.errors import BadConfig

logger = logging.getLogger(__name__)

Format: TypeAlias = Literal["default", "zip-store", "tgz", "no-archive"]
FORMATS: Final = get_args(Format)
_ENDINGS: Final[dict[str, str]] = {"default": ".mar", "zip-store": ".mar", "tgz": ".tar.gz", "no-archive": ""}
_SKIPPED: Final = ("__pycache__", "__MACOSX")
_WILDCARDS: Final = "*?["
_LSP: Final = ("BaseHandler", "TorchScriptHandler")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelArchiverConfig:
    """What goes into an archive, under the names that `torch-model-archiver`'s Python API has."""

    model_name: str
    handler: str
    version: str
    serialized_file: str | None = None
    model_file: str | None = None
    extra_files: str | None = None
    """Files, folders (their content) and patterns, with commas between."""
    runtime: str = "python"
    export_path: str = "."
    archive_format: Format = "default"
    force: bool = False
    requirements_file: str | None = None
    config_file: str | None = None


def generate_model_archive(config: ModelArchiverConfig) -> Path:
    """Write an archive, whole or not at all.

    Returns:
        Where it is: `EXPORT_PATH/NAME.mar`, `NAME.tar.gz`, or the folder `NAME`.

    Raises:
        BadConfig: a name that no model has, a file that is not there, or an archive that is, without `force`.
        OSError: it cannot be written.
    """
    if not manifests.MODEL_NAME.fullmatch(config.model_name):
        raise BadConfig(f"a model's name is letters, digits, _ . and -, got {config.model_name[:64]!r}")
    if config.runtime not in manifests.RUNTIMES:
        raise BadConfig(f"runtime must be one of {', '.join(manifests.RUNTIMES)}, got {config.runtime[:64]!r}")
    if config.archive_format not in FORMATS:
        raise BadConfig(f"archive-format must be one of {', '.join(FORMATS)}, got {config.archive_format[:64]!r}")
    home = Path(config.export_path)
    if not home.is_dir():
        raise BadConfig(f"export-path {home} is no folder")
    target = home / f"{config.model_name}{_ENDINGS[config.archive_format]}"
    if target.exists() and not config.force:
        raise BadConfig(f"{target} is there already; --force replaces it")
    files = _files(config)
    partial = home / f".{target.name}.{secrets.token_hex(4)}.partial"
    try:
        _write(config, files, _manifest(config), partial)
        _put(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True) if partial.is_dir() else partial.unlink(missing_ok=True)
    return target


def _files(config: ModelArchiverConfig) -> dict[str, Path]:
    """The files by their names in the archive; a later one takes the place of an earlier one, as there."""
    found: dict[str, Path] = {}
    named = ("model_file", "serialized_file")
    for kind in named:
        found |= _named(kind, getattr(config, kind))
    if (handler := _handler_file(config)) is not None:
        found |= _named("handler", handler)
    for pattern in (config.extra_files or "").split(","):
        if pattern.strip():
            found |= dict(_extra(pattern.strip()))
    for kind in ("requirements_file", "config_file"):
        found |= _named(kind, getattr(config, kind))
    return found


def _named(kind: str, path: str | None) -> dict[str, Path]:
    if not path:
        return {}
    if not Path(path).is_file():
        raise BadConfig(f"{kind.replace('_', '-')} {path}: there is no such file")
    return {Path(path).name: Path(path)}


def _handler_file(config: ModelArchiverConfig) -> str | None:
    """The file of a handler that is none of TorchServe's."""
    if config.runtime == "LSP":
        return None if config.handler in _LSP else f"{config.handler.partition(':')[0]}.so"
    if config.handler in (*manifests.BUILT_IN, *manifests.FOREIGN):
        return None
    file = config.handler.partition(":")[0]
    return file if file.endswith(".py") else f"{file}.py"


def _extra(pattern: str) -> Iterator[tuple[str, Path]]:
    paths = [Path(path) for path in sorted(glob.glob(pattern))]
    if Path(pattern).exists():
        paths = [Path(pattern)]
    if not paths and not any(c in pattern for c in _WILDCARDS):
        raise BadConfig(f"extra-files {pattern}: there is no such file or folder")
    if not paths:
        logger.warning("extra-files %s: no file fits it", pattern)
    for path in paths:
        if path.is_file():
            yield path.name, path
            continue
        for root, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if name not in _SKIPPED and not name.startswith("."))
            for name in sorted(files):
                inside = Path(root) / name
                yield inside.relative_to(path).as_posix(), inside


def _manifest(config: ModelArchiverConfig) -> bytes:
    def name(path: str | None) -> str | None:
        return Path(path).name if path else None

    model: dict[str, Any] = {
        "modelName": config.model_name,
        "serializedFile": name(config.serialized_file),
        "handler": name(config.handler),
        "modelFile": name(config.model_file),
        "modelVersion": config.version,
        "requirementsFile": name(config.requirements_file),
        "configFile": name(config.config_file),
    }
    said = {
        "createdOn": datetime.now().strftime("%d/%m/%Y %H:%M:%S"),
        "runtime": config.runtime,
        "model": {key: value for key, value in model.items() if value},
        "archiverVersion": __version__,
    }
    return json.dumps(said, indent=2).encode()


def _write(config: ModelArchiverConfig, files: dict[str, Path], manifest: bytes, target: Path) -> None:
    if config.archive_format == "no-archive":
        for name, path in files.items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / name)
        (target / manifests.NAME).parent.mkdir(parents=True, exist_ok=True)
        (target / manifests.NAME).write_bytes(manifest)
    elif config.archive_format == "tgz":
        with tarfile.open(target, "w:gz") as tar:
            for name, path in files.items():
                with path.open("rb") as stream:
                    tar.addfile(_tar_info(f"{config.model_name}/{name}", path.stat().st_size), stream)
            tar.addfile(_tar_info(f"{config.model_name}/{manifests.NAME}", len(manifest)), io.BytesIO(manifest))
    else:
        method = zipfile.ZIP_STORED if config.archive_format == "zip-store" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(target, "w", method, strict_timestamps=False) as archive:
            for name, path in files.items():
                archive.write(path, name)
            archive.writestr(manifests.NAME, manifest)


def _tar_info(name: str, size: int) -> tarfile.TarInfo:
    """A plain file; whose it is and when it was made is nobody's business."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def _put(partial: Path, target: Path) -> None:
    if target.is_dir():  # a folder cannot be renamed over one that has files
        old = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
        target.rename(old)
        partial.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        partial.replace(target)
