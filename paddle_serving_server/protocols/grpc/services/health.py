"""grpc.health.v1.Health, as probes ask for it: whether the server, or one of its services, is ready."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Final

from paddle_serving_client.errors import NoService
from paddle_serving_client.wire import health
from paddle_serving_client.wire.health import Health
from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.protocols.grpc.services import Message, Method, ServerStreaming, Streaming

_LOOK_S: Final = 0.25
"""How often it is looked whether something has changed, for those who watch."""


async def _check(plane: DataPlane, call: Call, message: Message) -> bytes:
    """Answer for the whole server, for a service by its name here, or for a gRPC service by its full name."""
    name = health.decode_request(message)
    found = _health(plane, name)
    if found is Health.SERVICE_UNKNOWN:
        raise NoService(f"no service {name!r}; served here: {', '.join(map(repr, plane.catalogue.names))}")
    return health.encode_response(found)


async def _watch(plane: DataPlane, call: Call, message: Message) -> AsyncGenerator[bytes, None]:
    """Say how it is now, and again whenever that changes; a service that is not there may come."""
    name, told = health.decode_request(message), None
    while True:
        found = _health(plane, name)
        if found is not told:
            told = found
            yield health.encode_response(found)
        await asyncio.sleep(_LOOK_S)


def _health(plane: DataPlane, name: str) -> Health:
    catalogue = plane.catalogue
    if name and name not in catalogue and not any(name in service.NAMES for service in services.every()):
        return Health.SERVICE_UNKNOWN
    return Health.SERVING if catalogue.is_ready else Health.NOT_SERVING


API = SERVER
NAMES = (health.SERVICE,)
METHODS: Mapping[str, Method] = {"Check": _check}
STREAMS: Mapping[str, Streaming] = {"Watch": ServerStreaming(_watch, is_endless=True)}
