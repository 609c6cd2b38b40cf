"""What may be asked of the registry while the server runs; each question gets one answer, when its entry is at rest."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from paddle_serving_client.errors import BadConfig, Conflict, NoService, ServingError
from paddle_serving_server.config.values import ServedModel, ServerConfig
from paddle_serving_server.process.registry_messages import (
    Answered,
    Asked,
    ConfigureAsked,
    LoadAsked,
    RegisterAsked,
    ReloadAsked,
    UnloadAsked,
    UnregisterAsked,
)
from paddle_serving_server.supervisor.child import Slot
from paddle_serving_server.supervisor.deployments import Deployments
from paddle_serving_server.supervisor.lifecycle import Lifecycle
from paddle_serving_server.supervisor.registry import Entry
from paddle_serving_server.supervisor.version import Report

logger = logging.getLogger(__name__)


class Verbs:
    """Does what fronts ask for."""

    def __init__(self, config: ServerConfig, lifecycle: Lifecycle, deployments: Deployments) -> None:
        self._trials = {trial.service for trial in (*config.variants, *config.shadows)}
        self._lifecycle = lifecycle
        self._deployments = deployments
        self._entries = lifecycle.registry.by_name

    def ask(self, front: Slot, asked: Asked) -> None:
        """Do it, or begin to; the answer comes when nothing of the entry loads or goes any more."""
        try:
            if isinstance(asked, ReloadAsked):
                self._reload(front, self._entry(asked), asked)
                return
            entry = self._done(asked)
        except ServingError as exc:
            front.tell(Answered(asked.question, type(exc).__name__, str(exc), []))
            return
        if not entry.askers:
            entry.failures.clear()  # nobody had asked for those
        entry.askers.append(partial(_answer, front, asked.question))
        self._lifecycle.settle(entry, retries=True)

    def replace_all(self, models: Sequence[ServedModel]) -> None:
        """Serve these, and none of the others; services from files stay. Nobody waits: the log says what is wrong."""
        for model in models:
            known = self._entries.get(model.name)
            was_leaving = known is not None and known.is_leaving
            if known is not None:
                known.is_leaving = False  # one that was on its way out comes back
            try:
                entry = self._register(model, loads=True, replaces=True)
            except ServingError as exc:
                logger.error("model %r: %s", model.name, exc)
                if known is not None:
                    known.is_leaving = was_leaving
            else:
                self._lifecycle.settle(entry, retries=True)
        names = {model.name for model in models}
        for entry in [entry for entry in self._entries.values() if entry.model is not None and entry.name not in names]:
            entry.is_wanted, entry.is_leaving = False, True
            self._lifecycle.settle(entry)

    def _done(self, asked: Asked) -> Entry:
        """Say what is to be so."""
        if isinstance(asked, RegisterAsked):
            return self._register(ServedModel.from_dict(asked.model), asked.loads, asked.replaces)
        entry = self._entry(asked)
        if entry.model is None:
            raise Conflict(f"{entry.name!r} is a service from a file: it can be reloaded, and nothing else")
        match asked:
            case UnregisterAsked():
                entry.is_wanted, entry.is_leaving = False, True
            case LoadAsked():
                entry.is_wanted = True
            case UnloadAsked():
                entry.is_wanted = False
            case ConfigureAsked(changes=changes):
                self._configure(entry, changed(entry.model, changes))
        return entry

    def _entry(self, asked: Asked) -> Entry:
        entry = self._entries.get(asked.name)
        if entry is None or (entry.is_leaving and not isinstance(asked, UnregisterAsked)):
            names = ", ".join(map(repr, self._entries)) or "nothing"
            raise NoService(f"no model {asked.name[:128]!r} is registered; there is {names}")
        return entry

    def _register(self, model: ServedModel, loads: bool, replaces: bool) -> Entry:
        entry = self._entries.get(model.name)
        if entry is None:
            entry = self._entries[model.name] = Entry(model.name, model, is_wanted=loads)
            return entry
        if entry.is_leaving:
            raise Conflict(f"{model.name!r} is being unregistered; ask again when it is gone")
        if entry.model is None:
            raise Conflict(f"{model.name!r} is a service from a file; give the model another name")
        if not replaces:
            raise Conflict(f"{model.name!r} is registered already; unregister it, or give the model another name")
        self._configure(entry, model)
        entry.is_wanted = loads
        return entry

    def _configure(self, entry: Entry, model: ServedModel) -> None:
        """Other settings; what answers stays until what they make answers."""
        known = {part.version(self._lifecycle.source) for part in entry.parts if part.is_wanted}
        before = entry.model
        pointed = {model.default_version, *(version for _, version in model.labels)} - {""}
        if before is not None and (model.default_version, model.labels) == (before.default_version, before.labels):
            pointed = set()
        if model.versions.follows and not model.paths and model.default_version:
            raise Conflict(
                f"{entry.name!r} follows its newest version, which answers by default; "
                'a default needs versions that are chosen otherwise, as "all"'
            )
        if entry.parts and (missing := sorted(pointed - known - {version for version, _ in model.paths})):
            there = ", ".join(sorted(known)) or "none"
            raise Conflict(f"{entry.name!r} has no version {missing[0][:64]!r}; there is {there}")
        if entry.parts and model != before and self._trials & {"", entry.name}:
            raise Conflict(f"{entry.name!r} may have variants or a shadow: other settings need another start")
        if entry.has_ready:
            entry.before = entry.before or before
        entry.model = model

    def _reload(self, front: Slot, entry: Entry, asked: ReloadAsked) -> None:
        """Ask every model of an entry for what its folder holds now, and answer when all have come to an end."""
        if not entry.is_wanted:
            raise Conflict(f"{entry.name!r} is not loaded, so there is nothing to take the place of; load it")
        deployments = [d for d in self._deployments.of_service(entry.name) if d.is_live]
        reports: dict[int, Report] = {}

        def rested(reason: str) -> None:
            front.tell(Answered(asked.question, "", reason, [reports[k] for k in sorted(reports)]))

        def reported(k: int, report: Report) -> None:
            reports[k] = report
            if len(reports) == len(deployments):
                entry.askers.append(rested)
                self._lifecycle.go_on(entry)

        if not deployments:
            entry.askers.append(rested)
        self._lifecycle.settle(entry, retries=True)
        for k, deployment in enumerate(deployments):
            deployment.reload(partial(reported, k), asked.allows_change)


def changed(model: ServedModel, changes: Mapping[str, Any]) -> ServedModel:
    """A model with other settings.

    Raises:
        BadConfig: there is no such setting.
    """
    values = asdict(model)
    if unknown := sorted(set(changes) - (set(values) - {"name", "nodes", "ends"})):
        raise BadConfig(f"a model has no setting {unknown[0][:64]!r} that can be changed")
    return ServedModel.from_dict({**values, **changes})


def _answer(front: Slot, question: int, reason: str) -> None:
    front.tell(Answered(question, "", reason, []))
