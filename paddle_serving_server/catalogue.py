"""The services of a server by name, as every protocol sees them."""

import re
from collections.abc import Mapping, Sequence

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, NoService
from paddle_serving_server.web_service import WebService


class Catalogue:
    """Which services there are, and which one answers a call that names none."""

    def __init__(self, services: Sequence[WebService]) -> None:
        names = [service.name for service in services]
        for name in names:
            if names.count(name) > 1:
                raise BadConfig(f"two services are named {name!r}; give one of them another name")
        self._services = {service.name: service for service in services}
        self.is_ready = False
        """Whether every engine is loaded and the server is not stopping."""

    def __getitem__(self, name: str) -> WebService:
        service = self._services.get(name)
        if service is None:
            served = ", ".join(map(repr, self._services))
            raise NoService(f"no service {_shown(name)}; served here: {served}")
        return service

    @property
    def names(self) -> list[str]:
        """The services there are."""
        return list(self._services)

    @property
    def tensor_service(self) -> WebService:
        """Who answers calls of GeneralModelService, which carry tensors and no service name: the first service."""
        return next(iter(self._services.values()))

    def describe(self) -> Mapping[str, object]:
        """What is served, for `GET /services`."""
        return {"services": [_description(service, self.is_ready) for service in self._services.values()]}


def _description(service: WebService, is_ready: bool) -> dict[str, object]:
    signature = service.signature
    inputs = [_variable(i.alias, i.elem_type, i.shape) for i in signature.inputs]
    outputs = [_variable(o.alias, o.elem_type, o.shape) for o in signature.outputs]
    if service.kind == "image":
        inputs = [{"name": service.file_input, "dtype": "image"}]
    if service.outputs:
        outputs = [{"name": name} for name in service.outputs]
    return {
        "name": service.name,
        "kind": service.kind,
        "title": service.title,
        "inputs": inputs,
        "outputs": outputs,
        "example": service.example,
        "backend": ", ".join(sorted(set(service.backends.values()))),
        "models": [{"name": name, "plan": plan} for name, plan in service.model_plans.items()],
        "ready": is_ready,
    }


def _variable(name: str, elem_type: int, shape: tuple[int, ...]) -> dict[str, object]:
    return {"name": name, "dtype": dtype.name_of(elem_type), "shape": list(shape)}


def _shown(name: str) -> str:
    """A name from the network, fit for a message."""
    return repr(re.sub(r"[^\x20-\x7e]", "?", name[:64]))
