"""The one way from the protocols to the services.

    protocol ── Call ──> DataPlane.answer ── the protocol's handler ──> DataPlane.infer ──> service

`answer` is around all that is done for a call: whatever happens there, the call is counted once, the log is told, and
what comes out is an answer or a `ServingError`, which the protocol says in its own words. A handler inside it reads the
message, asks `infer` and writes the answer. Small calls go by `try_now`, without a task of their own.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadInput, DeadlineExceeded, ServingError
from paddle_serving_client.message import Request, Response
from paddle_serving_server.config.values import Limits
from paddle_serving_server.counting import recording
from paddle_serving_server.counting.meter import UNKNOWN_SERVICE
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.inside import PartsInside
from paddle_serving_server.engine.lane import Lane
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code import faults

_Answer = TypeVar("_Answer")
_Part = TypeVar("_Part")
_Made = TypeVar("_Made", covariant=True)


class _Parts(Protocol[_Made]):
    """As `message.Parts`, whatever the parts are."""

    def __aiter__(self) -> AsyncIterator[_Made]: ...

    def __anext__(self) -> Awaitable[_Made]: ...

    def aclose(self) -> Awaitable[None]: ...


class DataPlane:
    """Of one front. Everything happens on its event loop."""

    def __init__(self, catalogue: Catalogue, limits: Limits) -> None:
        self.catalogue = catalogue
        self.limits = limits

    def call(
        self, protocol: str, what: str, arrived: float, bytes_in: int = 0, timeout_s: float = math.inf, began: float = 0
    ) -> Call:
        """A call that has come.

        Args:
            protocol, what, bytes_in: see `Call`.
            arrived: when the whole of it was there, on the clock of `time.monotonic`; 0: now.
            timeout_s: what the caller has said, counted from `began`.
            began: when the first of it was there; 0: with the rest.
        """
        arrived = arrived or time.monotonic()
        deadline = min(arrived + self.limits.request_s, (began or arrived) + timeout_s)
        return Call(protocol, what, arrived, deadline, bytes_in, timeout_s)

    async def answer(self, call: Call, work: Awaitable[_Answer], size: Callable[[_Answer], int]) -> _Answer:
        """Do what is to be done for a call.

        Args:
            call: its `service` may be said on the way.
            work: gives the answer.
            size: of the answer, in bytes, as it travels.

        Raises:
            ServingError: whatever went wrong.
        """
        try:
            answer = await (work if call.timeout_s == math.inf else _in_time(call, work))
        except BaseException as exc:
            raise self.refused(call, exc) from None
        if call.service and not call.goes_on:
            self._count(call, size(answer))
        return answer

    async def parts(
        self, call: Call, parts: "_Parts[_Part]", write: Callable[[_Part], bytes]
    ) -> AsyncGenerator[bytes, None]:
        """The parts of an answer as they travel; with the last one the call is answered, and counted.

        Args:
            call: its answer goes on when its handler has ended.
            parts: of the answer. They are closed when nobody takes them any more.
            write: makes bytes of one.

        Raises:
            ServingError: whatever went wrong; nothing more comes then.
        """
        call.goes_on = True
        sent = 0
        async with contextlib.aclosing(parts):
            try:
                async for part in parts:
                    written = write(part)
                    sent += len(written)
                    yield written
            except Exception as exc:
                raise self.refused(call, exc) from None
        if call.service:
            self._count(call, sent)

    async def stream(
        self, call: Call, parts: AsyncGenerator[bytes, None], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Answer a call whose handler makes parts that travel as they are: the next when the one before is taken.

        Args:
            call: its time is that of the whole stream.
            parts: as in `parts`.
            send: returns when the peer takes more.

        Raises:
            ServingError: whatever went wrong; what was sent until then is sent.
        """
        try:
            work = self._sent(call, parts, send)
            await (work if call.timeout_s == math.inf else _in_time(call, work))
        except BaseException as exc:
            raise self.refused(call, exc) from None

    def refused(self, call: Call, raised: BaseException) -> ServingError:
        """Count and log a call that is not answered; what its caller is told."""
        if call.is_over and isinstance(raised, ServingError):
            return raised
        error = faults.as_error(raised, call.what)
        call.is_over = True
        if call.service:
            self.catalogue.meter.failed(self._counted(call), call.protocol, error.number, call.bytes_in)
        return error

    # -- what a handler may ask

    async def infer(self, call: Call, request: Request) -> Response:
        """Have a service answer a request; `request.model` and `request.version` say which.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """
        service = self.service_for(request)
        service.inside += 1
        try:
            response = await self._until(call, service, service.infer(request))
            if response.parts is not None:
                response = replace(response, parts=PartsInside(service, response.parts))
        finally:
            service.inside -= 1
        if response.measured:
            self.catalogue.meter.measured(response.measured)
        call.note(response)
        return response

    async def infer_ends(self, call: Call, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """Have a service answer a request that carries tensors: each model whose outputs are the answer, by its op.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """
        service = self.service_for(request)
        service.inside += 1
        try:
            answered = await self._until(call, service, service.infer_models(request))
        finally:
            service.inside -= 1
        call.stages = tuple(stage for _, response in answered.values() for stage in response.stages)
        call.variant = next((response.variant for _, response in answered.values()), "")
        return answered

    def service_for(self, request: Request) -> Service:
        """Who answers a request.

        Raises:
            NoService: nobody has that name, or not in that version. NotLoaded, Starting: see `Catalogue.find`.
            BadInput: a variant is wanted where there are none.
        """
        service = self.catalogue.find(request.model, request.version)
        if request.variant and service.name not in self.catalogue.variants:
            raise BadInput(f"service {service.name!r} has no variants; leave the header X-Variant out")
        return service

    def try_now(self, name: str) -> Lane | None:
        """The way for small calls of a service; None where it is not open now, and calls have to be looked at singly.

        What goes this way is answered by a `quick.QuickCall`.
        """
        if recording.now is not None or self.catalogue.start.is_going or name not in self.catalogue:
            return None
        lane = self.catalogue[name].lane
        return lane if lane is not None and lane.is_open else None

    # -- details

    async def _sent(
        self, call: Call, parts: AsyncGenerator[bytes, None], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        async with contextlib.aclosing(self.parts(call, parts, _as_it_is)) as made:
            async for part in made:
                await send(part)

    async def _until(self, call: Call, service: Service, answering: Awaitable[_Answer]) -> _Answer:
        return await faults.in_time(answering, math.inf if service.keeps_time else call.deadline)

    def _count(self, call: Call, bytes_out: int) -> None:
        meter, service = self.catalogue.meter, self._counted(call)
        if call.err_no:
            meter.failed(service, call.protocol, call.err_no, call.bytes_in)
        else:
            stages = call.stages, call.inside
            meter.answered(service, call.protocol, call.arrived, call.bytes_in, bytes_out, stages)

    def _counted(self, call: Call) -> str:
        """Names that are not served cannot be made up to be counted."""
        return call.service if self.catalogue.has(call.service) else UNKNOWN_SERVICE


def _as_it_is(part: bytes) -> bytes:
    return part


async def _in_time(call: Call, work: Awaitable[_Answer]) -> _Answer:
    """Keep to the caller's own time; steps before and after a model do not look at the deadline themselves."""
    try:
        async with asyncio.timeout(call.deadline - time.monotonic()):
            return await work
    except TimeoutError as exc:
        if isinstance(exc, ServingError):
            raise
        raise DeadlineExceeded(f"no answer within the {call.timeout_s:g} s that the caller gives") from exc
