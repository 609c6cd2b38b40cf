"""The services of a server by name, as every protocol sees them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from paddle_serving_client.errors import BadConfig, NoService, NotLoaded, Starting
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.connection.open_connections import OpenConnections
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import Meter
from paddle_serving_server.engine.shadow import ShadowEngine
from paddle_serving_server.engine.variants import VariantsEngine
from paddle_serving_server.process.line import Line
from paddle_serving_server.process.states import State
from paddle_serving_server.services.fronts import Fronts
from paddle_serving_server.services.model_status import ModelStatus, VersionStatus
from paddle_serving_server.services.registry import Registry
from paddle_serving_server.services.service import Service
from paddle_serving_server.services.starting import Start

_RETRY_S: Final = 2.0
"""When who asks for a model that is loading is to ask again."""


@dataclass(slots=True)
class _Offer:
    """What answers under a name."""

    services: dict[int, Service] = field(default_factory=dict)
    """By the registry's number of the version; 0: a service from a file."""


class Catalogue:
    """Which services there are, and which one answers a call that names none. It changes while the server runs."""

    def __init__(
        self,
        services: Sequence[Service] = (),
        config: ServerConfig | None = None,
        meter: Meter | None = None,
        line: Line | None = None,
    ) -> None:
        """A catalogue of services that are there from the beginning.

        Args:
            services: from files, or made by hand.
            config: of the server.
            meter: counts its calls; by default those of this process alone.
            line: to the supervisor, by which the registry is changed; None: nothing changes.

        Raises:
            BadConfig: two have one name.
        """
        self.config = config or ServerConfig()
        self.statuses: dict[str, ModelStatus] = {}
        """What is registered, loaded or not, by name."""
        self.registry = Registry(self.statuses, line)
        self.fronts = Fronts(line, self.config.fronts)
        self.is_ready = False
        """Whether the server has started and is not stopping."""
        self.start = Start()
        self.meter = meter or Meter(Counters())
        self.connections = OpenConnections()
        self.code_report: Mapping[str, object] = {}
        """What became of the last change of service files; empty: there was none."""
        self.variants: Mapping[str, VariantsEngine] = {}
        """A/B tests by service."""
        self.shadows: Sequence[ShadowEngine] = ()
        self._offers: dict[str, _Offer] = {}
        self._services: dict[str, Service] = {}
        """Those that answer who asks for no version, by name, in the order of the registry."""
        self.tensor_service_name = ""
        """Who answers calls that name no service: the first that takes tensors, loaded or not; empty: nobody."""
        for service in services:
            self.add(service)

    # -- what is served

    def add(self, service: Service) -> None:
        """A service that no registry knows: from a file.

        Raises:
            BadConfig: there is one of that name.
        """
        if service.name in self._offers or (self.has(service.name) and self.statuses[service.name].model is not None):
            raise BadConfig(f"two services are named {service.name!r}; give one of them another name")
        ready = VersionStatus("1", State.READY)
        self.statuses[service.name] = ModelStatus(service.name, None, (ready,))
        self.offer(service, 0)

    def note(self, status: ModelStatus) -> None:
        """What the registry says of an entry now.

        Raises:
            BadConfig: it has the name of a service from a file.
        """
        name = status.name
        if status.model is None:
            self.statuses.setdefault(name, status)  # its front knows more of it
        elif self.has(name) and self.statuses[name].model is None:
            raise BadConfig(f"two services are named {name!r}; give one of them another name")
        else:
            self.statuses[name] = status
        self._sort_out()

    def forget(self, name: str) -> None:
        """It is registered no more."""
        self.statuses.pop(name, None)
        self._sort_out()

    def offer(self, service: Service, part: int) -> None:
        """A version answers from now on; of those that are one and the same, the last one does."""
        self._offers.setdefault(service.name, _Offer()).services[part] = service
        self._sort_out()

    def withdraw(self, name: str, part: int) -> None:
        """A version answers nobody any more who does not know it."""
        offer = self._offers.get(name)
        if offer is None:
            return
        offer.services.pop(part, None)
        if not offer.services:
            del self._offers[name]
        self._sort_out()

    # -- who answers

    def __getitem__(self, name: str) -> Service:
        service = self._services.get(name)
        return self._absent(name) if service is None else service

    def __contains__(self, name: object) -> bool:
        """Whether somebody answers under that name."""
        return name in self._services

    def has(self, name: str) -> bool:
        """Whether something is registered under that name, loaded or not."""
        return name in self.statuses

    def find(self, name: str, version: str = "") -> Service:
        """Who answers a call.

        Args:
            name: of a service.
            version: a number, a name or a label; empty: the one that answers by default.

        Raises:
            NoService: there is no such service, or not in that version.
            NotLoaded: it is registered, and not loaded, or was refused.
            Starting: it is being loaded.
        """
        if not version:
            return self[name]
        if name not in self._offers:
            return self._absent(name)
        wanted = self._labels(name).get(version, version)
        answering = self.versions(name)
        if wanted in answering:
            return answering[wanted]
        for known in self.statuses[name].versions:
            if known.version == wanted:
                self._refuse(f"version {wanted} of service {name!r}", known.state, known.reason)
        there = ", ".join(answering)
        raise NoService(f"service {name!r} has no version {_shown(version)}; there are {there}")

    def versions(self, name: str) -> dict[str, Service]:
        """The versions of a service that answer, highest number first; one that follows has the number it has now."""
        if name not in self._offers:
            return {}
        keys = {status.part: status.version for status in self.statuses[name].versions}
        follows = self._follows(name)
        found: dict[str, Service] = {}
        for part, service in sorted(self._offers[name].services.items()):
            found[service.version if follows else keys.get(part, service.version)] = service
        return dict(sorted(found.items(), key=lambda pair: _rank(pair[0]), reverse=True))

    @property
    def names(self) -> list[str]:
        """The services that answer."""
        return list(self._services)

    def is_pipeline(self, name: str) -> bool:
        """Whether the service of that name is a pipeline."""
        return name in self._services and self._services[name].is_pipeline

    @property
    def has_only_pipelines(self) -> bool:
        """Whether there is no other kind of service, and at least one of these."""
        return bool(self._services) and all(service.is_pipeline for service in self._services.values())

    def pipeline(self, name: str) -> Service:
        """The pipeline of a name, or the first one for an empty name.

        Raises:
            NoService: there is none.
        """
        pipelines = {n: service for n, service in self._services.items() if service.is_pipeline}
        if not name and pipelines:
            return next(iter(pipelines.values()))
        if name not in pipelines:
            served = ", ".join(map(repr, pipelines)) or "none"
            raise NoService(f"Failed to inference: Service name error. No pipeline {_shown(name)}; there are: {served}")
        return pipelines[name]

    @property
    def tensor_service(self) -> Service:
        """Who answers calls of GeneralModelService, which name no service.

        Raises:
            NoService: nothing is served. NotLoaded, Starting: see `find`.
        """
        if not self.tensor_service_name:
            raise NoService("no model is registered in this server")
        return self[self.tensor_service_name]

    def tensor_service_of(self, name: str) -> str:
        """The name of who answers a call of GeneralModelService that names this service; an empty name is none."""
        return name or self.tensor_service_name

    # -- details

    def _sort_out(self) -> None:
        """Who answers by default has changed."""
        names = [name for name in self.statuses if name in self._offers]
        defaults = {name: found for name in names if (found := self._default(name)) is not None}
        self._services = defaults
        takers = [name for name in self.statuses if self._takes_tensors(name)]
        others = [name for name, service in defaults.items() if not service.is_pipeline]
        self.tensor_service_name = next(iter((*takers, *others, *defaults)), "")

    def _takes_tensors(self, name: str) -> bool:
        """Whether tensors may be given to it; a model takes them whether it is loaded or not."""
        if self.statuses[name].model is not None:
            return True
        service = self._services.get(name)
        return service is not None and not service.is_pipeline and bool(service.plans)

    def _default(self, name: str) -> Service | None:
        services = self._offers[name].services
        if self._follows(name):
            return services[max(services)]
        model = self.statuses[name].model
        wanted = "" if model is None else model.default_version
        answering = self.versions(name)
        return answering.get(wanted) if wanted else next(iter(answering.values()))

    def _follows(self, name: str) -> bool:
        """Whether there is one version, and a newer one takes its place."""
        model = self.statuses[name].model
        return model is None or (model.versions.follows and not model.paths)

    def _labels(self, name: str) -> Mapping[str, str]:
        model = self.statuses[name].model
        return {} if model is None else dict(model.labels)

    def _absent(self, name: str) -> Service:
        status = self.statuses.get(name)
        if status is None:
            served = ", ".join(map(repr, self._services)) or "nothing"
            raise NoService(f"no service {_shown(name)}; served here: {served}")
        model = status.model
        if model is not None and model.default_version and name in self._offers:
            there = ", ".join(self.versions(name))
            raise NotLoaded(f"service {name!r}: its default version {model.default_version} is not there; {there} is")
        self._refuse(f"service {name!r}", status.state, status.reason)
        raise NotLoaded(f"service {name!r} is not loaded")

    def _refuse(self, what: str, state: State, reason: str) -> None:
        if state in (State.LOADING, State.READY):  # ready, but not here yet
            raise Starting(f"{what} is being loaded; try again later", _RETRY_S)
        raise NotLoaded(f"{what} is not loaded ({state})" + (f": {reason}" if reason else ""))


def _rank(version: str) -> tuple[int, int, str]:
    """Orders versions: names before numbers, these by their size."""
    return (1, int(version), "") if version.isdecimal() else (0, 0, version)


def _shown(name: str) -> str:
    """A name from the network, fit for a message."""
    return repr(re.sub(r"[^\x20-\x7e]", "?", name[:64]))
