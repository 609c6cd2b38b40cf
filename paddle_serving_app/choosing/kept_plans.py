"""The plans that are kept: as JSON in the model's cache, under everything that could change them.

That is the model's bytes, the options, the versions of the libraries, the processor. Nothing heavy is imported here.
"""

import contextlib
import hashlib
import json
import logging
import os
import platform
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import cast

from paddle_serving_app import backends, golden, model_cache, processors
from paddle_serving_app.backend import ModelOptions, Plugin
from paddle_serving_app.choosing import plan as plans
from paddle_serving_app.choosing.plan import Plan
from paddle_serving_client import manifest, model_config, plugins
from paddle_serving_client.errors import BadModel

logger = logging.getLogger(__name__)

_VERSION = 3
"""Of the file, and of the way of measuring: a plan of another one is made again."""
_MAX_BYTES = 1 << 20
_CPU = Path("/proc/cpuinfo")


def key_of(folder: Path, options: ModelOptions) -> str:
    """Differs whenever the plan might: model, options, library versions, processor and its cores.

    Raises:
        BadModel: a file of the model cannot be read.
    """
    told = {
        "version": _VERSION,
        "files": _digests(folder),
        "options": {**asdict(options), "backend": "", "golden": _golden_digest(folder, options)},
        "libraries": versions(),
        "cpu": _cpu_facts(),
        "cores": processors.available(),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """The versions of the inference libraries that are installed, by backend."""
    loaded = {name: cast(Plugin, plugins.load(backends, name)) for name in plugins.names(backends)}
    return {name: plugin.version() for name, plugin in loaded.items() if plugin.missing() is None}


def cpu_name() -> str:
    """What the processor calls itself."""
    return _cpu_facts()["model name"]


def read(folder: Path, key: str) -> Plan | None:
    """The plan kept under that key; None where there is none, or it is damaged."""
    file = model_cache.find(folder, _name(key))
    if file is None:
        return None
    try:
        with file.open("rb") as stream:
            fields = json.loads(stream.read(_MAX_BYTES))
        return plans.from_json(fields) if fields["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        logger.warning("%s is no plan (%s: %s); it is ignored", file, type(exc).__name__, exc)
        return None


def write(folder: Path, key: str, plan: Plan) -> Path | None:
    """Keep a plan in one step, so that no other engine reads half of it; None where nothing can be written."""
    file = model_cache.folder_for(folder) / _name(key)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        partial.write_text(json.dumps({"key": key, **asdict(plan)}, indent=1) + "\n", encoding="utf-8")
        partial.replace(file)
    except OSError as exc:
        logger.warning("the plan of %s is not kept: %s", folder, exc.strerror)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        return None
    return file


def _name(key: str) -> str:
    return f"plan-{key[:32]}.json"


def _golden_digest(folder: Path, options: ModelOptions) -> str:
    """Of the golden sample, wherever it lies: another one may be one that another library fails."""
    if (file := golden.find(folder, options.golden)) is None:
        return ""
    with manifest.open_regular(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digests(folder: Path) -> dict[str, str]:
    """Of the config and the manifest, whose digests are compared with the files at load; else of all files."""
    names = [model_config.SERVER_CONFIG]
    if manifest.listed(folder):
        names.append(manifest.NAME)
    else:
        names += [path.name for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    digests = {}
    for name in sorted(set(names)):
        try:
            with (folder / name).open("rb") as stream:
                digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as exc:
            raise BadModel(f"{folder / name}: {exc.strerror}") from exc
    return digests


def _cpu_facts() -> dict[str, str]:
    """What the processor is and what it can: virtual ones often have a name that says little."""
    facts = {"model name": platform.processor() or platform.machine(), "flags": ""}
    with contextlib.suppress(OSError):
        for line in _CPU.read_text().split(os.linesep * 2)[0].splitlines():
            name, _, value = line.partition(":")
            if name.strip() in facts and value.strip():
                facts[name.strip()] = value.strip()
    return facts
