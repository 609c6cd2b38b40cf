"""A stream of inference requests: worked on together, answered one by one, whatever becomes of each of them.

Models with one answer to a request answer in the order of the requests, as Triton's do. Services that answer in parts
say each part when it is made, and with the parameter of a request that asks for it, when there are no more.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Final, TypeAlias

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Parts, Response
from paddle_serving_client.wire import kserve, kserve_protobuf
from paddle_serving_client.wire.kserve import InferRequest, InferResponse
from paddle_serving_client.wire.kserve_fields import text
from paddle_serving_client.wire.kserve_protobuf import Named
from paddle_serving_server.dataplane import kserve_calls, kserve_models, kserve_parts
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane

MOST_AT_ONCE: Final = 16
"""Requests of one stream that are worked on; who sends more waits."""
_Turn: TypeAlias = asyncio.Future[None]


class InferStream:
    """One stream."""

    def __init__(self, plane: DataPlane, call: Call, messages: AsyncIterator[bytes | memoryview]) -> None:
        """`messages`: each a `ModelInferRequest`; `call`: of the whole stream."""
        self._plane = plane
        self._call = call
        self._messages = messages
        self._free = asyncio.Semaphore(MOST_AT_ONCE)
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._work: set[asyncio.Task[None]] = set()
        self._last: _Turn | None = None
        """Over when the last request that is answered in its turn has been."""

    async def answers(self) -> AsyncGenerator[bytes, None]:
        """Each a `ModelStreamInferResponse`.

        Raises:
            ServingError: the stream is broken off; what was whole of it is answered.
        """
        reading = asyncio.get_running_loop().create_task(self._read())
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
            await reading
        finally:
            tasks = (reading, *self._work)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        error: Exception | None = None
        try:
            async for message in self._messages:
                await self._free.acquire()
                self._begin(message)
        except Exception as exc:  # raised again below, behind what is in work
            error = exc
        if self._work:
            await asyncio.wait(self._work)
        await self._answers.put(None)
        if error is not None:
            raise error

    def _begin(self, message: bytes | memoryview) -> None:
        call = self._plane.call("grpc", self._call.what, time.monotonic(), len(message))
        call.deadline = min(call.deadline, self._call.deadline)
        turn, self._last = self._last, asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._answer(call, message, turn, self._last))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _answer(self, call: Call, message: bytes | memoryview, turn: _Turn | None, done: _Turn) -> None:
        """Answer one request; it is `done` when what comes behind it may be answered."""
        try:
            made = await self._plane.answer(call, self._made(call, message), _size)
            if isinstance(made, bytes):
                await _over(turn)
                await self._answers.put(made)
            else:
                _pass_on(turn, done)
                await self._answer_parts(call, *made)
        except ServingError as exc:
            await _over(turn)
            await self._answers.put(kserve_protobuf.encode_stream_error(str(exc), _id_in(message)))
        finally:
            _end(done)
            self._free.release()

    async def _made(self, call: Call, message: bytes | memoryview) -> bytes | tuple[InferRequest, InferResponse, Parts]:
        """The answer; or of one in parts the request, what its parts have in common, and the parts."""
        named = kserve_protobuf.decode_name(message)
        call.service = named.model
        await self._plane.catalogue.start.over(call.deadline)
        service = kserve_models.find(self._plane.catalogue, named.model, named.version, in_parts=True)
        request = kserve_protobuf.decode_request(named)
        if not service.answers_in_parts:
            answered = await kserve_calls.infer(self._plane, call, service, request)
            return _encoded(answered, is_final=True)
        common = InferResponse(model=service.name, version=service.version, id=request.id)
        asked = kserve_parts.asked(service, request, call.deadline, len(message))
        response = await self._plane.infer(call, asked)
        if response.parts is None:
            return _encoded(replace(common, outputs=kserve_parts.outputs(response, asked.fetch)), is_final=True)
        call.goes_on = True
        return request, common, response.parts

    async def _answer_parts(self, call: Call, request: InferRequest, common: InferResponse, parts: Parts) -> None:
        fetch = tuple(output.name for output in request.outputs)

        def write(part: Response) -> bytes:
            return _encoded(replace(common, outputs=kserve_parts.outputs(part, fetch)), is_final=False)

        async with contextlib.aclosing(self._plane.parts(call, parts, write)) as answers:
            async for answer in answers:
                await self._answers.put(answer)
        if request.parameters.get(kserve.WANTS_FINAL) is True:
            await self._answers.put(_encoded(replace(common, version=""), is_final=True))


def _encoded(response: InferResponse, is_final: bool) -> bytes:
    return kserve_protobuf.encode_stream_response(replace(response, parameters={kserve.FINAL: is_final}))


def _id_in(message: bytes | memoryview) -> str:
    """The id of a request that may be anything."""
    with contextlib.suppress(ServingError):
        named: Named = kserve_protobuf.decode_name(message)
        return text(named.fields, "id")
    return ""


def _size(made: bytes | tuple[InferRequest, InferResponse, Parts]) -> int:
    return len(made) if isinstance(made, bytes) else 0


async def _over(turn: _Turn | None) -> None:
    if turn is not None:
        await asyncio.wait([turn])


def _pass_on(turn: _Turn | None, done: _Turn) -> None:
    """Let those behind go on as soon as those before are done: who answers in parts is in nobody's way."""
    if turn is None:
        _end(done)
    else:
        turn.add_done_callback(lambda _: _end(done))


def _end(turn: _Turn) -> None:
    if not turn.done():
        turn.set_result(None)
