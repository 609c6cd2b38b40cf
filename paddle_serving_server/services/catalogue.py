"""The services of a server by name, as every protocol sees them."""

import functools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, NoService
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.counting.counters import Counters
from paddle_serving_server.counting.meter import Meter
from paddle_serving_server.engine.counted import MODEL
from paddle_serving_server.engine.shadow import ShadowEngine
from paddle_serving_server.engine.variants import VariantsEngine
from paddle_serving_server.services.service import Service, table_of
from paddle_serving_server.services.starting import Start


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection, for people."""

    peer: str
    protocol: str
    since: float
    """On the clock of `time.monotonic`."""
    is_idle: bool
    unsent_bytes: int


class Catalogue:
    """Which services there are, and which one answers a call that names none."""

    def __init__(self, services: Sequence[Service]) -> None:
        names = [service.name for service in services]
        for name in names:
            if names.count(name) > 1:
                raise BadConfig(f"two services are named {name!r}; give one of them another name")
        self._services = {service.name: service for service in services}
        self.is_ready = False
        """Whether every engine is loaded and the server is not stopping."""
        self.start = Start()
        self.config = ServerConfig()
        self.meter = Meter(Counters())
        self.connections: Callable[[], Sequence[Connection]] = list
        """Those that are open now."""
        self.variants: Mapping[str, VariantsEngine] = {}
        """A/B tests by service."""
        self.shadows: Sequence[ShadowEngine] = ()
        self.reload: Callable[[str, bool], Awaitable[list[Mapping[str, object]]]] | None = None
        """Loads the models of a service anew; says for each what became of that. The flag: inputs may change."""
        self.set_weights: Callable[[str, Mapping[str, object]], None] | None = None
        """Changes the weights of a service's variants, in all fronts."""
        self.record: Callable[[float], Awaitable[bytes]] | None = None
        """Records requests for so many seconds, in all fronts; gives a Chrome trace."""

    def __getitem__(self, name: str) -> Service:
        service = self._services.get(name)
        if service is None:
            served = ", ".join(map(repr, self._services))
            raise NoService(f"no service {_shown(name)}; served here: {served}")
        return service

    def __contains__(self, name: object) -> bool:
        return name in self._services

    @property
    def names(self) -> list[str]:
        """The services there are."""
        return list(self._services)

    def is_pipeline(self, name: str) -> bool:
        """Whether the service of that name is a pipeline."""
        return name in self._services and self._services[name].is_pipeline

    @property
    def has_only_pipelines(self) -> bool:
        """Whether there is no other kind of service."""
        return all(service.is_pipeline for service in self._services.values())

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

    @functools.cached_property
    def tensor_service(self) -> Service:
        """Who answers calls of GeneralModelService, which name no service: the first that takes tensors."""
        services = [service for service in self._services.values() if not service.is_pipeline]
        return next((service for service in services if service.plans), next(iter(services or self._services.values())))

    def for_tensors(self, name: str) -> Service:
        """Who answers a call of GeneralModelService that names a service; an empty name is none.

        Raises:
            NoService: there is no such service.
        """
        return self[name] if name else self.tensor_service

    def describe(self) -> Mapping[str, object]:
        """What is served, for `GET /services`."""
        return {"services": [self._described(service) for service in self._services.values()]}

    def _described(self, service: Service) -> dict[str, object]:
        said = _description(service, self.is_ready)
        if service.name in self.variants:
            said["variants"] = self._variants_of(service.name)
        return said

    def _variants_of(self, service: str) -> list[dict[str, object]]:
        """Each variant of a service: how often it is chosen, what it has answered, and how fast in the last minute."""
        found = {at["variant"]: s for at, s in self.meter.read().series_of(MODEL) if at["service"] == service}
        return [
            {
                "name": tag,
                "weight": weight,
                "calls": found[tag].ok + found[tag].failed,
                "failures": found[tag].failed,
                "mean_ms": round(found[tag].recent.mean_us / 1000, 3),
                "p99_ms": round(found[tag].recent.quantile_us(0.99) / 1000, 3),
            }
            for tag, weight in self.variants[service].weights.items()
        ]


def _description(service: Service, is_ready: bool) -> dict[str, object]:
    signature = service.signature
    inputs = [_variable(i.alias, i.elem_type, i.shape) for i in signature.inputs]
    outputs = [_variable(o.alias, o.elem_type, o.shape) for o in signature.outputs]
    if service.kind == "image":
        inputs = [{"name": service.file_input, "dtype": "image"}]
    table = table_of(service)
    if service.outputs:
        outputs = [{"name": name} for name in service.outputs]
    return {
        "name": service.name,
        "kind": "pipeline" if service.is_pipeline else "fields" if table else service.kind,
        "takes_tensors": not service.is_pipeline and service.takes_tensors,
        "title": service.title or (table.title if table else ""),
        "inputs": inputs,
        "outputs": outputs,
        **({"fields": table.describe()} if table else {}),
        "example": service.example or (table.example if table else None),
        "backend": ", ".join(sorted(set(service.backends.values()))),
        "models": [{"name": name, "plan": plan} for name, plan in service.model_plans.items()],
        "ready": is_ready,
    }


def _variable(name: str, elem_type: int, shape: tuple[int, ...]) -> dict[str, object]:
    return {"name": name, "dtype": dtype.name_of(elem_type), "shape": list(shape)}


def _shown(name: str) -> str:
    """A name from the network, fit for a message."""
    return repr(re.sub(r"[^\x20-\x7e]", "?", name[:64]))
