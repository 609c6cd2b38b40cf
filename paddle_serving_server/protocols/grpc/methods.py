"""Which method is found under which path, and what an error looks like in gRPC."""

import contextlib
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from paddle_serving_client import errors
from paddle_serving_client.errors import ErrNo, NoMethod, ServingError
from paddle_serving_client.wire import grpc
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.grpc import Status, UnknownEncoding
from paddle_serving_server.config.listening import Listening, Role
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane import managing
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine import handler_packets
from paddle_serving_server.protocols.grpc import services
from paddle_serving_server.protocols.grpc.incoming import Piece
from paddle_serving_server.protocols.grpc.services import Message, ServerStreaming, Streaming
from paddle_serving_server.services.compression import gzipped

logger = logging.getLogger(__name__)

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


_OF_HANDLERS: Final = {
    400: Status.INVALID_ARGUMENT,
    404: Status.NOT_FOUND,
    409: Status.ALREADY_EXISTS,
    429: Status.UNAVAILABLE,
    499: Status.CANCELLED,
    501: Status.UNIMPLEMENTED,
    503: Status.UNAVAILABLE,
}
"""What user code says for HTTP, where gRPC has a word for it."""


@dataclass(frozen=True, slots=True)
class GrpcCall:
    """A call that is there: with its message, or, where it brings any number of them, without."""

    path: str
    message: Message
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
    peer: str = ""
    """The caller's address."""
    authorization: str = ""
    """The header of that name."""


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
    status = _OF_HANDLERS.get(handler_packets.status_of(error) or 0, status)
    return Reply(status=status, text=str(error), code=code, err_no=int(error.err_no))


class Methods:
    """Answers calls. The one place in this protocol where errors become statuses."""

    def __init__(self, plane: DataPlane, at: Listening, found: Sequence[services.Service] = ()) -> None:
        """Those of some services; none: of all that there are, as far as they are answered at that address."""
        self._plane = plane
        self._at = at
        every = [
            (f"/{name}/", service) for service in found or services.present(plane.catalogue) for name in service.NAMES
        ]
        self._methods = {
            start + method: (service, answer)
            for start, service in every
            for method, answer in service.METHODS.items()
            if at.has(service.API, Role.MANAGEMENT if method in services.management(service) else Role.INFERENCE)
        }
        """By path: the service, and its method."""
        self._managing = {
            start + method
            for start, service in every
            if not services.is_open(service, plane.catalogue.config)
            for method in services.management(service)
        }
        named = [(start, service) for start, service in every if at.has(service.API)]
        self._owners = {start: service for start, service in every}
        self._small = {
            start + method: make(plane)
            for start, service in named
            for method, make in services.small_calls(service).items()
        }
        self._streams = {
            start + method: kind for start, service in named for method, kind in services.streams(service).items()
        }

    def kind(self, path: str) -> Streaming | None:
        """How the method of a path streams; None: it does not, or there is none."""
        return self._streams.get(path)

    def small(self, path: str, message: memoryview) -> tuple[str, services.SmallCall] | None:
        """What a message to a path is, and whose call, if it may be answered without a task."""
        found = self._small.get(path)
        return None if found is None else found.find(message)

    @property
    def plane(self) -> DataPlane:
        """Who answers."""
        return self._plane

    async def answer(self, call: GrpcCall) -> Reply:
        """Answer any unary call."""
        try:
            whole = self._call(call)
        except ServingError as exc:
            return refusal(exc)
        if call.path in self._managing and (refused := self._refused(call)) is not None:
            return refused
        service, answer = self._methods.get(call.path, (None, None))
        try:
            reply = await self._plane.answer(whole, self._reply_to(call, whole, answer), _size)
        except ServingError as exc:
            if (its_own := self._status_of(call.path, exc)) is not None:
                return its_own
            is_of_grpc = not whole.service or (call.timeout and isinstance(exc, errors.DeadlineExceeded))
            in_its_words = None if is_of_grpc else getattr(service, "refusal", None)
            return refusal(exc) if in_its_words is None else Reply(grpc.framed(in_its_words(exc)))
        if call.wants_timing:
            reply = replace(reply, timing=timing.text(whole.stages))
        return reply

    async def stream(
        self, call: GrpcCall, pieces: AsyncIterator[Piece] | None, send: Callable[[bytes], Awaitable[None]]
    ) -> Reply:
        """Answer any call that streams; how it ended.

        Args:
            call: with its message, unless it brings any number of them.
            pieces: its messages as they come; None: the one of the call.
            send: takes an answer with its prefix, and returns when the peer lets more come.
        """
        try:
            whole = self._call(call)
            whole.deadline = call.began + whole.timeout_s  # a stream has the time that its caller gives, and no other
            answers = self._answers_of(self._streams[call.path], call, whole, pieces)
            await self._plane.stream(whole, self._framed(call, answers), send)
        except ServingError as exc:
            return self._status_of(call.path, exc) or refusal(exc)
        return Reply()

    def _status_of(self, path: str, error: ServingError) -> Reply | None:
        """An error as a service's own callers expect it, where they do."""
        status_of = getattr(self._owners.get(path[: path.rfind("/") + 1]), "status_of", None)
        if status_of is None or (own := status_of(error)) is None:
            return None
        return replace(refusal(error), status=own[0], text=own[1])

    def _call(self, call: GrpcCall) -> Call:
        timeout_s = grpc.timeout_s(call.timeout) if call.timeout else math.inf
        whole = self._plane.call("grpc", call.path, call.arrived, len(call.message), timeout_s, call.began)
        whole.at, whole.authorization = self._at, call.authorization
        return whole

    async def _reply_to(self, call: GrpcCall, whole: Call, answer: services.Method | None) -> Reply:
        if answer is None:
            there_are = ", ".join((*self._methods, *self._streams))
            raise NoMethod(f"Fail to find method={call.path[:256]!r}; there are: {there_are}")
        said = await answer(self._plane, whole, self._unpacked(call, Piece(call.message, call.compressed)))
        if call.takes_gzip and (packed := await gzipped(said)) is not None:
            return Reply(grpc.framed(packed, compressed=True), is_gzip=True)
        return Reply(grpc.framed(said))

    def _refused(self, call: GrpcCall) -> Reply | None:
        """The reply to who may not change the server; None where he may."""
        found = managing.refusal(self._plane.catalogue.config, call.peer, call.authorization)
        if found is None:
            return None
        logger.warning("refused %s from %s: %s", call.path, call.peer, found.text)
        status, text = Status.UNAUTHENTICATED if found.lacks_token else Status.PERMISSION_DENIED, found.text
        forbidden = getattr(self._owners.get(call.path[: call.path.rfind("/") + 1]), "forbidden", None)
        if forbidden is not None:
            status, text = forbidden(found)
        return Reply(status=status, text=text, code=RpcError.BAD_REQUEST, err_no=int(ErrNo.CONFIG))

    def _answers_of(
        self, kind: Streaming, call: GrpcCall, whole: Call, pieces: AsyncIterator[Piece] | None
    ) -> AsyncGenerator[bytes, None]:
        if isinstance(kind, ServerStreaming):
            message = self._unpacked(call, Piece(call.message, call.compressed))
            return kind.answer(self._plane, whole, message)
        assert pieces is not None
        return kind.answer(self._plane, whole, self._messages(call, pieces))

    async def _messages(self, call: GrpcCall, pieces: AsyncIterator[Piece]) -> AsyncGenerator[Message, None]:
        async for piece in pieces:
            yield self._unpacked(call, piece)

    async def _framed(self, call: GrpcCall, answers: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(answers):
            async for answer in answers:
                packed = await gzipped(answer) if call.takes_gzip else None
                yield grpc.framed(answer) if packed is None else grpc.framed(packed, compressed=True)

    def _unpacked(self, call: GrpcCall, piece: Piece) -> Message:
        most = self._plane.limits.max_body_bytes
        return grpc.unpacked(piece.message, piece.is_compressed, call.encoding, most)


def _size(reply: Reply) -> int:
    return len(reply.message)
