"""A workflow archive (`.war`), opened: several models and functions as one graph.

    models: {min-workers: 1, batch-size: 4, m1: {url: m1.mar}, m2: {url: m2.mar, batch-size: 1}}
    dag: {prepare: [m1], m1: [m2]}

A node is one of the models, or a function of the workflow's handler. Every node is handed bytes.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_app import safe_yaml, unpack_zip
from paddle_serving_app.mar import manifest as manifests
from paddle_serving_app.mar import settings as model_settings
from paddle_serving_app.mar import values
from paddle_serving_app.mar.archive import LIMITS
from paddle_serving_app.mar.settings import ModelSettings
from paddle_serving_app.unpack import Limits
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.manifest import open_inside, open_regular

NAME: Final = "WAR-INF/MANIFEST.json"
_MAX_BYTES: Final = 1 << 20
_MAX_NODES: Final = 256
_KEYS: Final = {
    "min-workers": "minWorkers",
    "max-workers": "maxWorkers",
    "batch-size": "batchSize",
    "max-batch-delay": "maxBatchDelay",
}
_RETRIES: Final = "retry-attempts"
_TIMEOUT: Final = "timeout-ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowModel:
    """A model of a workflow."""

    url: str
    """Its archive: a name in the model store, or an address."""
    settings: ModelSettings
    retry_attempts: int = 1
    timeout_ms: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow, unpacked and checked: its graph has no circle, and every node is a model or may be a function."""

    path: Path
    folder: Path
    name: str
    handler: str
    """The file with the functions; empty where it has none."""
    models: Mapping[str, WorkflowModel]
    dag: Mapping[str, tuple[str, ...]]
    """By node: those that get what it gives. A node that gives its result to nobody has an empty entry."""
    order: tuple[str, ...]
    """All nodes, each behind those that it gets something from."""


def opened(path: Path, into: Path, limits: Limits = LIMITS) -> Workflow:
    """Unpack a workflow archive and read its graph.

    Args:
        path: the file.
        into: a folder that is not there yet; its parent is. It is whole or not there.
        limits: what the archive may unpack to.

    Raises:
        BadModel: it is no such archive, damaged, over a limit, or its graph is none.
        OSError: the folder cannot be written.
    """
    if not unpack_zip.is_zip(path):
        raise BadModel(f"{path}: not a workflow archive, which is a zip")
    unpack_zip.unpack(path, into, limits)
    try:
        return _read(path, into)
    except BaseException as exc:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(exc, BadConfig):
            raise BadModel(str(exc)) from exc
        raise


def _read(path: Path, folder: Path) -> Workflow:
    where = f"{path}: {NAME}"
    if not (folder / NAME).is_file():
        raise BadModel(f"{path}: not a workflow archive: it has no {NAME}")
    with open_regular(folder / NAME) as stream:
        try:
            content = values.mapping(json.loads(stream.read(_MAX_BYTES)), where)
        except (ValueError, RecursionError) as exc:
            raise BadModel(f"{where}: not JSON: {str(exc)[:128]}") from exc
    said = values.mapping(content.get("workflow"), f"{where}: workflow")
    name = values.text(said, "workflowName", where)
    if not manifests.MODEL_NAME.fullmatch(name):
        raise BadModel(f"{where}: workflowName must be letters, digits, _ . and -, got {values.shown(name)}")
    spec, handler = values.text(said, "specFile", where), values.text(said, "handler", where)
    for key, file in (("specFile", spec), ("handler", handler)):
        if (file or key == "specFile") and not ("/" not in file and (folder / file).is_file() and file):
            raise BadModel(f"{where}: {key} names {file[:64]!r}, which is not in the archive")
    at = f"{path}: {spec}"
    with open_inside(folder, spec) as stream:
        graph = values.mapping(safe_yaml.load(stream.read(safe_yaml.MAX_BYTES + 1), at), at)
    models = _models(graph.get("models"), f"{at}: models")
    dag = _dag(graph.get("dag"), models, bool(handler), f"{at}: dag")
    order = _ordered(dag, f"{at}: dag")
    return Workflow(path=path, folder=folder, name=name, handler=handler, models=models, dag=dag, order=order)


def _models(described: object, where: str) -> dict[str, WorkflowModel]:
    """The models; what stands beside them is for all."""
    said = values.mapping(described, where)
    common = {key: value for key, value in said.items() if not isinstance(value, dict)}
    if unknown := [key for key in common if key not in (*_KEYS, _RETRIES, _TIMEOUT)]:
        raise BadModel(f"{where}: {unknown[0][:64]!r} is neither a model, which has a url, nor a setting of all models")
    found = {name: _model({**common, **one}, f"{where}: {name}") for name, one in said.items() if isinstance(one, dict)}
    if not found:
        raise BadModel(f"{where}: there is no model")
    return found


def _model(said: Mapping[str, Any], where: str) -> WorkflowModel:
    url = values.text(said, "url", where)
    if not url:
        raise BadModel(f"{where}: it has no url, which is the archive of the model")
    settings = model_settings.of({key: said[name] for name, key in _KEYS.items() if name in said}, where)
    retries, timeout = values.whole(said, _RETRIES, where), values.whole(said, _TIMEOUT, where, 1)
    return WorkflowModel(
        url=url,
        settings=settings,
        retry_attempts=1 if retries is None else retries,
        timeout_ms=10_000 if timeout is None else timeout,
    )


def _dag(
    described: object, models: Mapping[str, WorkflowModel], has_functions: bool, where: str
) -> dict[str, tuple[str, ...]]:
    said = values.mapping(described, where)
    dag: dict[str, tuple[str, ...]] = {}
    for node, successors in said.items():
        following = [successors] if isinstance(successors, str) else successors or []
        if not isinstance(following, list) or not all(isinstance(name, str) for name in following):
            raise BadModel(f"{where}: {node[:64]!r} must have a list of the nodes behind it")
        if len(set(following)) < len(following):
            raise BadModel(f"{where}: {node[:64]!r} has a node behind it twice")
        dag[node] = tuple(following)
    for node in [name for following in dag.values() for name in following]:
        dag.setdefault(node, ())
    if not 0 < len(dag) <= _MAX_NODES:
        raise BadModel(f"{where}: a graph has 1 to {_MAX_NODES} nodes, this one {len(dag)}")
    for node in dag:
        if node not in models and not (has_functions and node.isidentifier()):
            functions = "no function, since there is no handler" if not has_functions else "no name of a function"
            raise BadModel(f"{where}: {node[:64]!r} is none of the models ({', '.join(models)}), and {functions}")
    return dag


def _ordered(dag: Mapping[str, tuple[str, ...]], where: str) -> tuple[str, ...]:
    waits = dict.fromkeys(dag, 0)
    for following in dag.values():
        for node in following:
            waits[node] += 1
    ready = [node for node, count in waits.items() if not count]
    order: list[str] = []
    while ready:
        node = ready.pop(0)
        order.append(node)
        for following_node in dag[node]:
            waits[following_node] -= 1
            if not waits[following_node]:
                ready.append(following_node)
    if len(order) < len(dag):
        circle = ", ".join(sorted(set(dag) - set(order)))
        raise BadModel(f"{where}: it goes in a circle: {circle[:256]}")
    return tuple(order)
