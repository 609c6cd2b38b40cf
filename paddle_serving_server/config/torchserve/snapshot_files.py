"""Snapshots: what is registered, as files that a later start takes for its settings, as TorchServe keeps them.

logs/config/20260101100000000-snapshot.cfg      config.properties, and model_snapshot={...}
"""

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from paddle_serving_server.config.torchserve import java_properties
from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.config.values import ServedModel, VersionSettings

_MOST: Final = 50
"""Older ones go."""
_REPLACED: Final = ("models", "load_models", "model_snapshot")
_KEYS: Final = {
    "minWorkers": "min_workers",
    "maxWorkers": "max_workers",
    "batchSize": "batch_size",
    "maxBatchDelay": "max_batch_delay",
    "responseTimeout": "response_timeout",
    "startupTimeout": "startup_timeout",
}


def last(folder: Path) -> Path | None:
    """The newest; None: there is none."""
    return max(folder.glob("*.cfg"), default=None, key=lambda path: path.name)


def write(rules: StoreRules, kind: str, models: Sequence[ServedModel]) -> None:
    """Write one.

    Args:
        rules: of the server.
        kind: `startup` or `snapshot`.
        models: all that are registered.

    Raises:
        OSError: it cannot be written.
    """
    folder = Path(rules.snapshots)
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now()
    name = f"{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03}-{kind}.cfg"
    entries = {model.name: _versions(rules, model) for model in models if model.own}
    snapshot = {"name": name, "modelCount": sum(map(len, entries.values())), "models": entries}
    settings = {key: value for key, value in rules.settings if key not in _REPLACED}
    draft = folder / f".{name}.{os.getpid()}"
    draft.write_text(java_properties.write({**settings, "model_snapshot": json.dumps(snapshot)}))
    os.replace(draft, folder / name)
    for old in sorted(folder.glob("*.cfg"))[:-_MOST]:
        old.unlink(missing_ok=True)


def _versions(rules: StoreRules, model: ServedModel) -> dict[str, Any]:
    paths = dict(model.paths)
    return {
        version: _version(rules, Path(paths[version]), own, version == model.default_version)
        for version, own in model.own
    }


def _version(rules: StoreRules, path: Path, own: VersionSettings, is_default: bool) -> dict[str, Any]:
    assert own.handler is not None
    inside = path.is_relative_to(rules.store)
    about = {key: own.handler.settings[name] for key, name in _KEYS.items()}
    return {"defaultVersion": is_default, "marName": str(path.relative_to(rules.store) if inside else path), **about}
