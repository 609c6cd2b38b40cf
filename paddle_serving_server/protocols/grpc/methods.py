"""Which method is found under which path, and what an error looks like in gRPC."""

import functools
import math
from dataclasses import dataclass, replace

from paddle_serving_client import errors
from paddle_serving_client.errors import NoMethod, ServingError
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.grpc import Status, UnknownEncoding
from paddle_serving_server.config.listening import Listening
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.services.compression import gzipped

_STATUS: tuple[tuple[type[ServingError], Status, RpcError], ...] = (
    (UnknownEncoding, Status.UNIMPLEMENTED, RpcError.BAD_REQUEST),
    (errors.Conflict, Status.FAILED_PRECONDITION, RpcError.BAD_REQUEST),
    (errors.NoService, Status.NOT_FOUND, RpcError.NO_SERVICE),
    (errors.NoMethod, Status.UNIMPLEMENTED, RpcError.NO_METHOD),
    (errors.TooLarge, Status.RESOURCE_EXHAUSTED, RpcError.BAD_REQUEST),
    (errors.BadInput, Status.INVALID_ARGUMENT, RpcError.BAD_REQUEST),
    (errors.BadPacket, Status.INVALID_ARGUMENT, RpcError.BAD_REQUEST),
    (errors.Busy, Status.UNAVAILABLE, RpcError.LIMIT),
    (errors.Stopping, Status.UNAVAILABLE, RpcError.LOGGED_OFF),
    (errors.DeadlineExceeded, Status.DEADLINE_EXCEEDED, RpcError.TIMED_OUT),
    (errors.EngineLost, Status.UNAVAILABLE, RpcError.OP_FAILED),
    (errors.BackendFailed, Status.INTERNAL, RpcError.OP_FAILED),
)


@dataclass(frozen=True, slots=True)
class GrpcCall:
    """A whole call."""

    path: str
    message: bytes | memoryview
    """As it came, without its prefix."""
    compressed: bool
    encoding: str
    """The header `grpc-encoding`."""
    takes_gzip: bool
    timeout: str
    """The header `grpc-timeout`; empty if none was sent."""
    began: float
    """When its headers came, on the clock of `time.monotonic`."""
    arrived: float
    """When the whole of it was there."""
    wants_timing: bool = False
    """Whether the header `x-profile: 1` was sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back: a message, or a status that says why there is none."""

    message: bytes = b""
    """With its prefix."""
    is_gzip: bool = False
    status: Status = Status.OK
    text: str = ""
    code: RpcError | None = None
    err_no: int = 0
    timing: str = ""
    """The stages, for who wants to know."""


def refusal(error: ServingError) -> Reply:
    """An error as gRPC says it, with brpc's number."""
    status, code = next(
        ((s, c) for cls, s, c in _STATUS if isinstance(error, cls)), (Status.INTERNAL, RpcError.INTERNAL)
    )
    return Reply(status=status, text=str(error), code=code, err_no=int(error.err_no))


class Methods:
    """Answers whole calls. The one place in this protocol where errors become statuses."""

    def __init__(self, plane: DataPlane, at: Listening) -> None:
        self._plane = plane
        self._methods = {path: found for path, found in _methods().items() if at.has(found[0].API)}

    async def answer(self, call: GrpcCall) -> Reply:
        """Answer any call."""
        try:
            timeout_s = grpc.timeout_s(call.timeout) if call.timeout else math.inf
        except ServingError as exc:
            return refusal(exc)
        whole = self._plane.call("grpc", call.path, call.arrived, len(call.message), timeout_s, call.began)
        service, answer = self._methods.get(call.path, (None, None))
        try:
            reply = await self._plane.answer(whole, self._reply_to(call, whole, answer), _size)
        except ServingError as exc:
            is_of_grpc = not whole.service or (call.timeout and isinstance(exc, errors.DeadlineExceeded))
            in_its_words = None if is_of_grpc else getattr(service, "refusal", None)
            return refusal(exc) if in_its_words is None else Reply(grpc.framed(in_its_words(exc)))
        if call.wants_timing:
            reply = replace(reply, timing=timing.text(whole.stages))
        return reply

    async def _reply_to(self, call: GrpcCall, whole: Call, answer: services.Method | None) -> Reply:
        if answer is None:
            raise NoMethod(f"Fail to find method={call.path[:256]!r}; there are: {', '.join(self._methods)}")
        message = grpc.unpacked(call.message, call.compressed, call.encoding, self._plane.limits.max_body_bytes)
        said = await answer(self._plane, whole, message)
        if call.takes_gzip and (packed := await gzipped(said)) is not None:
            return Reply(grpc.framed(packed, compressed=True), is_gzip=True)
        return Reply(grpc.framed(said))


def _size(reply: Reply) -> int:
    return len(reply.message)


@functools.cache
def _methods() -> dict[str, tuple[services.Service, services.Method]]:
    """By path: the service, and its method."""
    return {
        f"/{name}/{method}": (service, answer)
        for service in services.every()
        for name in service.NAMES
        for method, answer in service.METHODS.items()
    }
