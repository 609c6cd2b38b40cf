"""`config.properties` of TorchServe, and the `TS_*` variables over it, to a `TorchServeConfig`."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from paddle_serving_app.mar import settings as model_settings
from paddle_serving_app.mar import values
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.torchserve import java_properties
from paddle_serving_server.config.torchserve.values import (
    ALL,
    Address,
    Cors,
    LoadModel,
    StoredModel,
    Tls,
    TorchServeConfig,
)

PREFIX: Final = "TS_"
_ADDRESSES: Final = {"inference": 8080, "management": 8081, "metrics": 8082}
_GRPC: Final = {"grpc_inference": 7070, "grpc_management": 7071}
_NUMBERS: Final = {
    "default_workers_per_model": ("workers_per_model", 0),
    "job_queue_size": ("job_queue_size", 1),
    "default_response_timeout": ("response_timeout_s", 1),
    "default_startup_timeout": ("startup_timeout_s", 1),
    "unregister_model_timeout": ("unregister_timeout_s", 1),
    "max_request_size": ("max_request_bytes", 1),
    "max_response_size": ("max_response_bytes", 1),
    "token_expiration_min": ("token_expiration_min", 1),
}
_TRUTHS: Final = {
    "decode_input_request": ("decodes_input", False),
    "install_py_dep_per_model": ("installs_requirements", False),
    "enable_metrics_api": ("has_metrics_api", False),
    "disable_token_authorization": ("needs_tokens", True),
    "enable_model_api": ("has_model_api", False),
    "limit_max_image_pixels": ("limits_image_pixels", False),
}
"""By key: the name here, and whether it means the opposite."""
_NO_FLAGS: Final[Mapping[str, str]] = MappingProxyType({})
_MODES: Final = ("log", "prometheus", "legacy")
_TAKEN: Final = frozenset((
    *(f"{name}_address" for name in (*_ADDRESSES, *_GRPC)), *(f"{name}_port" for name in _GRPC), *_NUMBERS, *_TRUTHS,
    "model_store", "workflow_store", "load_models", "models", "model_snapshot", "allowed_urls", "cors_allowed_origin",
    "cors_allowed_methods", "cors_allowed_headers", "private_key_file", "certificate_file", "metrics_mode",
    "enable_envvars_config",
))  # fmt: skip
IGNORED: Final = {
    "number_of_netty_threads": "--fronts says how many processes accept connections",
    "netty_client_threads": "there is no Netty",
    "number_of_gpu": "--gpu_ids says which GPUs are used",
    "vmargs": "there is no Java",
    "async_logging": "the log never waits",
    "prefer_direct_buffer": "there is no Java",
    "blacklist_env_vars": "handlers see no variable that holds a secret",
    "use_env_allowed_urls": "allowed_urls says it",
    "metrics_config": "custom metrics need no declaration",
    "metrics_format": "metrics_mode says it",
    "model_metrics_auto_detect": "custom metrics need no declaration",
    "disable_system_metrics": "they cost nothing until they are asked for",
    "system_metrics_cmd": "no command is run for metrics",
    "ipex_enable": "the inference library decides",
    "cpu_launcher_enable": "engines are started by the server",
    "cpu_launcher_args": "engines are started by the server",
    "service_envelope": "KServe is answered on paths of its own",
    "initial_worker_port": "engines listen on no port",
    "plugins_path": "plug-ins in Java cannot be loaded",
    "model_server_home": "--model-store says where models are",
    "keystore": "give private_key_file and certificate_file, in PEM",
    "keystore_pass": "give private_key_file and certificate_file, in PEM",
    "keystore_type": "give private_key_file and certificate_file, in PEM",
    "tsConfigFile": "--ts-config says which file",
    "enable_grpc_ssl": "TLS is that of private_key_file and certificate_file",
    "grpc_inference_max_connection_age_ms": "connections live as long as their callers want",
    "grpc_management_max_connection_age_ms": "connections live as long as their callers want",
    "py_dep_install_args": "requirements are installed by pip alone",
}
"""Settings of TorchServe that are understood, and why they change nothing."""


def read(path: Path, environment: Mapping[str, str], flags: Mapping[str, str] = _NO_FLAGS) -> TorchServeConfig:
    """Read a file of settings; flags count before it, and variables before both, where it lets them.

    Raises:
        BadConfig: it cannot be read, or a value is of another kind; the message names file and key.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(java_properties.MAX_BYTES + 1)
    except OSError as exc:
        raise BadConfig(f"{path} cannot be read: {exc.strerror}") from exc
    if len(raw) > java_properties.MAX_BYTES:
        raise BadConfig(f"{path}: more than {java_properties.MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return parse(text, environment, str(path), flags)


def parse(
    text: str, environment: Mapping[str, str], where: str, flags: Mapping[str, str] = _NO_FLAGS
) -> TorchServeConfig:
    """The same, of its text; empty where there is no file."""
    settings = java_properties.parse(text, where) | dict(flags)
    notes: list[str] = []
    switch = "enable_envvars_config"
    if values.truth(settings, switch, where) or environment.get(f"{PREFIX}{switch.upper()}", "").lower() == "true":
        known = (*_TAKEN, *IGNORED)
        settings |= {key: environment[name] for key in known if (name := f"{PREFIX}{key.upper()}") in environment}
    settings = {key: value for key, value in settings.items() if value}
    for key in settings:
        if key in IGNORED:
            notes.append(f"{where}: {key} has no effect: {IGNORED[key]}")
        elif key not in _TAKEN:
            notes.append(f"{where}: {key} is no setting of TorchServe's")
    found: dict[str, Any] = {}
    for name, port in _ADDRESSES.items():
        found[name] = _address(settings, f"{name}_address", port, where)
    for name, port in _GRPC.items():
        found[name] = _grpc_address(settings, name, port, where)
    for key, (name, least) in _NUMBERS.items():
        if (number := values.whole(settings, key, where, least)) is not None:
            found[name] = number
    for key, (name, is_opposite) in _TRUTHS.items():
        if key in settings:
            found[name] = values.truth(settings, key, where) is not is_opposite
    found |= {key: settings[key] for key in ("model_store", "workflow_store") if key in settings}
    if (mode := settings.get("metrics_mode", "log").lower()) not in _MODES:
        raise BadConfig(f"{where}: metrics_mode must be one of {', '.join(_MODES)}, got {mode[:64]!r}")
    methods, headers = _list(settings, "cors_allowed_methods"), _list(settings, "cors_allowed_headers")
    return TorchServeConfig(
        **found,
        load_models=loaded(settings.get("load_models", ""), f"{where}: load_models"),
        models=_models(settings, where),
        allowed_urls=_list(settings, "allowed_urls"),
        cors=Cors(origin=settings.get("cors_allowed_origin", ""), methods=methods, headers=headers),
        tls=_tls(settings, where),
        metrics_mode=mode,
        given=settings,
        notes=tuple(notes),
    )


def loaded(text: str, where: str) -> tuple[LoadModel, ...] | str:
    """`all`, `none`, or archives with commas between them, each with `NAME=` before it or not.

    Raises:
        BadConfig: one of them is none.
    """
    if text.strip().lower() == ALL:
        return ALL
    if text.strip().lower() in ("", "none"):
        return ()
    found = []
    for word in text.split(","):
        name, equals, url = word.strip().partition("=")
        if not equals:
            name, url = "", word.strip()
        if not url or (equals and not name):
            raise BadConfig(f"{where}: ARCHIVE or NAME=ARCHIVE is expected, got {word.strip()[:64]!r}")
        found.append(LoadModel(url, name))
    return tuple(found)


def _address(settings: Mapping[str, str], key: str, port: int, where: str) -> Address:
    text = settings.get(key)
    if text is None:
        return Address("127.0.0.1", port)
    if text.startswith("unix:"):
        raise BadConfig(f"{where}: {key}: {text[:64]}: sockets of the file system are not listened on; give a port")
    try:
        parts = urlsplit(text)
        given = parts.port
    except ValueError as exc:
        raise BadConfig(f"{where}: {key} must be like http://127.0.0.1:{port}, got {text[:64]!r}") from exc
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise BadConfig(f"{where}: {key} must be like http://127.0.0.1:{port}, got {text[:64]!r}")
    is_tls = parts.scheme == "https"
    return Address(parts.hostname, given if given is not None else 443 if is_tls else 80, is_tls)


def _grpc_address(settings: Mapping[str, str], name: str, port: int, where: str) -> Address:
    given = values.whole(settings, f"{name}_port", where, 1)
    if given is not None and given > 65535:
        raise BadConfig(f"{where}: {name}_port must be at most 65535, got {given}")
    host = settings.get(f"{name}_address", "127.0.0.1")
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        raise BadConfig(f"{where}: {name}_address must be the address of a network card, got {host[:64]!r}")
    return Address(host, port if given is None else given)


def _models(settings: Mapping[str, str], where: str) -> dict[str, dict[str, StoredModel]]:
    """The models of `models={...}`; where that is not there, those of a snapshot."""
    if "models" in settings:
        return _stored(_json(settings["models"], "models", where), f"{where}: models")
    if "model_snapshot" in settings:
        snapshot = values.mapping(
            _json(settings["model_snapshot"], "model_snapshot", where), f"{where}: model_snapshot"
        )
        return _stored(snapshot.get("models"), f"{where}: model_snapshot: models")
    return {}


def _json(text: str, key: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        hint = "; every line of it but the last must end with a backslash" if text in ("{", "[") else ""
        raise BadConfig(f"{where}: {key} is not JSON{hint}: {str(exc)[:128]}") from exc


def _stored(described: Any, where: str) -> dict[str, dict[str, StoredModel]]:
    found: dict[str, dict[str, StoredModel]] = {}
    for name, versions in values.mapping(described, where).items():
        at = f"{where}: {name[:64]}"
        found[name] = {}
        for version, one in values.mapping(versions, at).items():
            entry = dict(values.mapping(one, f"{at}: {version[:64]}"))
            archive = values.text(entry, "marName", f"{at}: {version[:64]}", f"{name}.mar")
            is_default = values.truth(entry, "defaultVersion", f"{at}: {version[:64]}")
            others = {key: value for key, value in entry.items() if key not in ("marName", "defaultVersion")}
            settings = model_settings.of(others, f"{at}: {version[:64]}")
            found[name][version] = StoredModel(archive=archive, is_default=is_default, settings=settings)
        if sum(one.is_default for one in found[name].values()) > 1:
            raise BadConfig(f"{at}: more than one version is the default")
    return found


def _tls(settings: Mapping[str, str], where: str) -> Tls | None:
    key, certificate = settings.get("private_key_file", ""), settings.get("certificate_file", "")
    if bool(key) != bool(certificate):
        raise BadConfig(f"{where}: private_key_file and certificate_file belong together; one of them is missing")
    return Tls(private_key_file=key, certificate_file=certificate) if key else None


def _list(settings: Mapping[str, str], key: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in settings.get(key, "").split(",") if word.strip())
