"""grpc.health.v1, what probes ask a gRPC server: bytes <-> values.

    HealthCheckRequest {1 service string} -> HealthCheckResponse {1 status enum}

Written by hand: two fields need no generated code, which would also clash with that of grpcio-health-checking.
"""

from enum import IntEnum

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.wire import protobuf
from paddle_serving_client.wire.protobuf import BYTES, VARINT, MessageType

SERVICE = "grpc.health.v1.Health"
MAX_NAME_BYTES = 256

_REQUEST = MessageType(service=(1, BYTES))
_RESPONSE = MessageType(status=(1, VARINT))


class Health(IntEnum):
    """`ServingStatus`."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3
    """Only for those who watch: there is no such service, for now."""


def decode_request(message: bytes | memoryview) -> str:
    """The service that is asked about; empty: the whole server.

    Raises:
        BadPacket: not such a message.
    """
    got = _REQUEST.read(memoryview(message))
    if "service" not in got:
        return ""
    try:
        return str(got["service"][-1][:MAX_NAME_BYTES], "utf-8")
    except UnicodeDecodeError as exc:
        raise BadPacket("the name of a service is not UTF-8") from exc


def encode_request(service: str = "") -> bytes:
    """A question about a service."""
    return b"".join(protobuf.bytes_field(1, service.encode())) if service else b""


def decode_response(message: bytes | memoryview) -> Health:
    """What was answered.

    Raises:
        BadPacket: not such a message.
    """
    got = _RESPONSE.read(memoryview(message))
    status = protobuf.last_number(got, "status")
    return Health(status) if status in tuple(Health) else Health.UNKNOWN


def encode_response(status: Health) -> bytes:
    """An answer."""
    return protobuf.number_field(1, status) if status else b""
