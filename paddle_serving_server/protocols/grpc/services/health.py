"""grpc.health.v1.Health, as probes ask for it: whether the server, or one of its services, is ready.

`Watch` is not there: who asks for it is told so, and asks with `Check`, as the specification has it.
"""

from paddle_serving_client.errors import NoService
from paddle_serving_client.wire import health
from paddle_serving_client.wire.health import Health
from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import services


async def _check(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    """Answer for the whole server, for a service by its name here, or for a gRPC service by its full name."""
    catalogue = plane.catalogue
    name = health.decode_request(message)
    known = {"", *catalogue.names, *(name for service in services.every() for name in service.NAMES)}
    if name not in known:
        raise NoService(f"no service {name!r}; served here: {', '.join(map(repr, catalogue.names))}")
    return health.encode_response(Health.SERVING if catalogue.is_ready else Health.NOT_SERVING)


API = SERVER
NAMES = (health.SERVICE,)
METHODS = {"Check": _check}
