"""What TorchServe was told, as what a server here is told."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from paddle_serving_app import processors
from paddle_serving_app.mar import archive as archives
from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config.listening import Listening, Role
from paddle_serving_server.config.torchserve import entries, key_file
from paddle_serving_server.config.torchserve.rules import StoreRules
from paddle_serving_server.config.torchserve.values import ALL, Address, TorchServeConfig
from paddle_serving_server.config.values import Limits, ServedModel, ServerConfig, VersionSettings

_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")


def server(config: TorchServeConfig, snapshots: str = "") -> tuple[ServerConfig, list[str]]:
    """The whole of it: an address for each role, and one for each over gRPC.

    Args:
        config: what TorchServe was told.
        snapshots: the folder that what is registered is written to; empty: it is written nowhere.

    Returns:
        The settings, and what has no effect here, for people.

    Raises:
        BadConfig: an archive is missing or none, or other machines could change the server without a token.
    """
    _check(config)
    rules = StoreRules(
        store=config.model_store,
        workers=config.workers_per_model or 0,
        response_timeout_s=config.response_timeout_s,
        startup_timeout_s=config.startup_timeout_s,
        job_queue_size=config.job_queue_size,
        decodes_input=config.decodes_input,
        limits_image_pixels=config.limits_image_pixels,
        has_model_api=config.has_model_api,
        installs_requirements=config.installs_requirements,
        allows_pickled_weights=config.allows_pickled_weights,
        allowed_urls=config.allowed_urls,
        key_file=str(Path(key_file.NAME).absolute()) if config.needs_tokens else "",
        token_minutes=float(config.token_expiration_min),
        snapshots=snapshots,
        settings=tuple(config.given.items()),
    )
    listen = [
        _listening(config.management, Role.MANAGEMENT),
        _listening(config.grpc_inference, Role.INFERENCE),
        _listening(config.grpc_management, Role.MANAGEMENT),
    ]
    if config.has_metrics_api:
        listen.append(_listening(config.metrics, Role.METRICS))
    return ServerConfig(
        host=config.inference.host,
        port=config.inference.port,
        apis=(entries.KIND,),
        roles=(Role.INFERENCE,),
        listen=tuple(listen),
        models=tuple(_models(config, rules)),
        manage_from=_EVERYWHERE if config.needs_tokens else ServerConfig().manage_from,
        enable_prometheus=config.has_metrics_api,
        load_timeout_s=float(config.startup_timeout_s),
        allow_broken_models=True,
        limits=Limits(
            max_body_bytes=config.max_request_bytes,
            request_s=float(config.response_timeout_s),
            max_waiting=config.job_queue_size,
        ),
        torchserve=rules,
    ), [*config.notes, *_notes(config)]


def _listening(address: Address, role: Role) -> Listening:
    return Listening(host=address.host, port=address.port, apis=(entries.KIND,), roles=(role,))


def _check(config: TorchServeConfig) -> None:
    for pattern in config.allowed_urls:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise BadConfig(f"allowed_urls: {pattern[:128]!r} is no regular expression: {exc}") from exc
    if config.tls is not None or any(a.is_tls for a in (config.inference, config.management, config.metrics)):
        raise BadConfig(
            "https is not spoken here: put a proxy with the certificate before the server, and give http://"
        )
    managed = {"management_address": config.management, "grpc_management_address": config.grpc_management}
    for key, address in managed.items():
        if config.needs_tokens or address.is_local:
            continue
        raise BadConfig(
            f"{key} {address.host} lets other machines change this server: they need a token, "
            "so leave disable_token_authorization out; or bind it to 127.0.0.1"
        )


def _notes(config: TorchServeConfig) -> Iterator[str]:
    if config.cors.origin:
        yield "cors_allowed_origin has no effect: pages of other sites are not answered"
    if config.max_response_bytes != TorchServeConfig().max_response_bytes:
        yield "max_response_size has no effect: answers may have any size"


def _models(config: TorchServeConfig, rules: StoreRules) -> Iterator[ServedModel]:
    """The models of the start: each with all versions that the store has of it."""
    at_start = replace(rules, workers=config.workers_per_model or processors.available())
    found: dict[str, dict[str, tuple[Path, VersionSettings]]] = {}
    defaults: dict[str, str] = {}
    for path, given in _archives(config):
        told, version, settings = entries.described(path)
        name = given or told
        stored = config.models.get(name, {}).get(version)
        if version in found.setdefault(name, {}):
            raise BadConfig(f"{path.name}: there is a version {version} of model {name!r} already")
        own = (stored.settings if stored is not None else ModelSettings()).over(settings)
        found[name][version] = (path, entries.settings_of(name, path, own, at_start, at_start=True))
        if stored is not None and stored.is_default:
            defaults[name] = version
    for name, versions in found.items():
        yield _entry(name, versions, defaults.get(name, next(iter(versions))))


def _entry(name: str, versions: Mapping[str, tuple[Path, VersionSettings]], default: str) -> ServedModel:
    path, settings = versions[default]
    return ServedModel(
        name=name,
        folder=str(path),
        handler=settings.handler,
        paths=tuple((version, str(where)) for version, (where, _) in versions.items()),
        own=tuple((version, own) for version, (_, own) in versions.items()),
        default_version=default,
    )


def _archives(config: TorchServeConfig) -> Iterator[tuple[Path, str]]:
    """The archives of the start, each with the name that was given to it."""
    store = Path(config.model_store)
    if config.load_models == ALL:
        for path in sorted(store.iterdir()) if store.is_dir() else ():
            if path.suffix == ".mar" or (path.is_dir() and archives.is_archive(path)):
                yield path, ""
        return
    for model in config.load_models:
        assert not isinstance(model, str)
        yield _present(store, model.url), model.name
    if not config.load_models:
        for name, versions in config.models.items():
            for stored in versions.values():
                yield _present(store, stored.archive), name


def _present(store: Path, url: str) -> Path:
    if "://" in url:
        raise BadConfig(
            f"model {url[:128]!r}: a server starts with archives of the model store; those of allowed_urls are "
            "registered when it runs"
        )
    for path in (Path(url), store / url) if Path(url).is_absolute() else (store / url,):
        if path.exists():
            return path
    raise BadConfig(f"model {url[:128]!r}: there is no such file in the model store {str(store)!r}")
