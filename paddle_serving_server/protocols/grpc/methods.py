"""Which method is found under which path, and what an error looks like in gRPC."""

import asyncio
import functools
import time
from dataclasses import dataclass, replace

from paddle_serving_client import errors
from paddle_serving_client.errors import NoMethod, ServingError
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.grpc import Status, UnknownEncoding
from paddle_serving_server.config.values import Limits
from paddle_serving_server.counting import timing
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.compression import gzipped
from paddle_serving_server.user_code import faults

_COUNTED = "GeneralModelService"
"""Is in the paths of services whose calls are counted here."""
_STATUS: tuple[tuple[type[ServingError], Status, RpcError], ...] = (
    (UnknownEncoding, Status.UNIMPLEMENTED, RpcError.BAD_REQUEST),
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
class Call:
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

    def __init__(self, catalogue: Catalogue, limits: Limits) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._methods = _methods()

    async def answer(self, call: Call) -> Reply:
        """Answer any call."""
        is_counted = _COUNTED in call.path  # pipelines count their calls by name
        meter, started = self._catalogue.meter, time.monotonic()
        reply = await self._reply_to(call)
        if call.wants_timing and reply.status is Status.OK:
            stages, _ = timing.noted()
            reply = replace(reply, timing=timing.text(stages))
        if is_counted:
            service, size = self._catalogue.tensor_service.name, len(call.message)
            if reply.status is Status.OK:
                meter.answered(service, "grpc", started, size, len(reply.message))
            else:
                meter.failed(service, "grpc", reply.err_no, size)
        return reply

    async def _reply_to(self, call: Call) -> Reply:
        try:
            deadline = call.arrived + self._limits.request_s
            if not call.timeout:
                return await self._answer(call, deadline)
            deadline = min(deadline, call.began + grpc.timeout_s(call.timeout))
            try:
                # Steps before and after a model do not look at the deadline themselves.
                async with asyncio.timeout(deadline - time.monotonic()):
                    return await self._answer(call, deadline)
            except TimeoutError as exc:
                if isinstance(exc, ServingError):
                    raise
                raise errors.DeadlineExceeded(f"no answer within the {call.timeout} of grpc-timeout") from exc
        except BaseException as exc:
            return refusal(faults.as_error(exc, call.path))

    async def _answer(self, call: Call, deadline: float) -> Reply:
        method = self._methods.get(call.path)
        if method is None:
            raise NoMethod(f"Fail to find method={call.path[:256]!r}; there are: {', '.join(self._methods)}")
        message = grpc.unpacked(call.message, call.compressed, call.encoding, self._limits.max_body_bytes)
        answer = await method(self._catalogue, message, deadline)
        if call.takes_gzip and (packed := await gzipped(answer)) is not None:
            return Reply(grpc.framed(packed, compressed=True), is_gzip=True)
        return Reply(grpc.framed(answer))


@functools.cache
def _methods() -> dict[str, services.Method]:
    """By path."""
    return {
        f"/{name}/{method}": answer
        for service in services.every()
        for name in service.NAMES
        for method, answer in service.METHODS.items()
    }
