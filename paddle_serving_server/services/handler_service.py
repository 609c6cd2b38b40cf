"""User code in processes of its own as a service; see `paddle_serving_app/handler.py`."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from paddle_serving_app.handler import About, HandlerResult, HandlerSpec
from paddle_serving_app.signature import Signature
from paddle_serving_client import byte_strings
from paddle_serving_client.errors import BackendFailed, NoMethod, ServingError
from paddle_serving_client.message import Request, Response
from paddle_serving_server.config.values import ServedModel
from paddle_serving_server.engine import batch, handler_call, handler_packets
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.feed import as_json, tensors_of
from paddle_serving_server.engine.handler_plan import ABOUT, DECOUPLED
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.engine.settings import ModelSettings
from paddle_serving_server.services.parts import END, ServiceParts
from paddle_serving_server.services.service import Service
from paddle_serving_server.user_code.threads import Threads

_NO_ARRAY: Final = np.empty(0)


class HandlerService(Service):
    """A handler. What it says it takes as tensors is checked before it is asked."""

    kind = "json"

    def __init__(self, model: ServedModel, handler: HandlerSpec) -> None:
        super().__init__(model.name)
        self._model = model
        self._handler = handler
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def plans(self) -> dict[str, ModelSettings]:
        """See `Service.plans`."""
        return {"": replace(self._model, instances=self._model.instances or 1, handler=self._handler)}

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`."""
        self._engines = engines

    @property
    def signature(self) -> Signature:
        """See `Service.signature`."""
        return self._engine().signature if self._engines else super().signature

    @property
    def about(self) -> About:
        """See `Service.about`: what the handler says."""
        said = self._engine().plan.get(ABOUT) if self._engines else None
        return About(**said) if isinstance(said, dict) else super().about

    @property
    def takes_files(self) -> bool:
        """See `Service.takes_files`."""
        return not self.takes_tensors

    @property
    def takes_tensors(self) -> bool:
        """See `Service.takes_tensors`: whether it says which."""
        return bool(self.signature.inputs)

    @property
    def answers_in_parts(self) -> bool:
        """See `Service.answers_in_parts`: where it takes tensors, so does the answer to these."""
        return bool(self._engines) and bool(self._engine().plan.get(DECOUPLED))

    async def infer(self, request: Request) -> Response:
        """Answer one request: the handler gets it as it is.

        Raises:
            ServingError: whatever is wrong, in the caller's terms; of the handler, `RequestRefused`, `RequestFailed`.
        """
        with contextlib.ExitStack() as held:
            context = held.enter_context(Context.of(request))
            context.stays = True
            engine = self._engine().held(context)
            asked = self.checked(request, engine.signature)
            context.rows = self._rows(asked)
            packet, stages = await handler_call.call(
                engine, handler_packets.request(asked), handler_packets.CALL, context
            )
            if "stream" in packet:
                parts = self._parts(engine, packet["stream"], request, context, held.pop_all())
                return Response(parts=parts, stages=stages)
            measured = handler_packets.take_measured(packet)
            given = handler_packets.read_result(packet)
            return replace(_response(given, request, engine.signature), stages=stages, measured=measured)

    async def infer_models(self, request: Request) -> Mapping[str, tuple[Signature, Response]]:
        """See `Service.infer_models`."""
        if not self.takes_tensors:
            raise NoMethod(f"service {self.name!r} says of no tensors that it takes them; POST /{self.name}/prediction")
        return {self.name: (self.signature, await self.infer(request))}

    def _parts(
        self, engine: Engine, stream: int, request: Request, context: Context, held: contextlib.ExitStack
    ) -> ServiceParts:
        """The parts of a result; each has as long as a whole answer otherwise."""
        loop = asyncio.get_running_loop()
        signature = engine.signature
        context.goes_on = True

        async def next_part() -> object:
            context.deadline = time.monotonic() + self.limits.request_s
            packet, _ = await handler_call.call(
                engine, handler_packets.part_asked(stream), handler_packets.PART, context
            )
            if "end" in packet:
                return END
            return _response(handler_packets.read_result(packet), request, signature)

        async def close() -> None:
            context.deadline = time.monotonic() + self.limits.request_s
            asked = handler_packets.part_asked(stream, closes=True)
            try:
                with contextlib.suppress(ServingError):
                    await handler_call.call(engine, asked, handler_packets.PART, context)
            finally:
                held.close()

        def end() -> None:
            self._closing.add(closing := loop.create_task(close()))
            closing.add_done_callback(self._closing.discard)

        return ServiceParts(next_part, end)

    def checked(self, request: Request, signature: Signature) -> Request:
        """Tensors are those that the handler says it takes, under their names, or the request is refused.

        Instances become tensors where it says some.
        """
        if not signature.inputs:
            return request
        tensors = request.tensors
        if tensors is None:
            named = signature.given(dict.fromkeys(request.instances[0] if request.instances else (), _NO_ARRAY))
            tensors = tensors_of(named, list(request.instances))
        given = signature.given(tensors)
        arranged = given.arrange(tensors, request.lods)
        return replace(request, tensors={i.alias: a for i, a in zip(given.inputs, arranged.arrays, strict=True)})

    def _rows(self, request: Request) -> int:
        """How many are asked for; 1 where axis 0 of tensors is no batch, as far as anybody knows."""
        if self.triton is None or not self.triton.max_batch_size or not request.tensors:
            return 1
        return batch.rows_of([array.shape for array in request.tensors.values()])

    def _engine(self) -> Engine:
        return next(iter(self._engines.values()))


def _response(given: HandlerResult, request: Request, signature: Signature) -> Response:
    value = given.value
    if handler_packets.is_all_arrays(value):
        value = {name: byte_strings.of(a, repr(name)) if a.dtype.kind in "OSU" else a for name, a in value.items()}
    about = Response(status=given.status, headers=given.headers, content_type=given.content_type)
    if not handler_packets.is_all_arrays(value):
        if signature.outputs:
            raise BackendFailed("the handler was to give its outputs as arrays by name")
        return replace(about, result=value)
    if signature.outputs:
        value = _declared(value, request, signature)
    if request.tensors is not None:
        return replace(about, tensors=value)
    return replace(about, tensors=value, result=as_json(value))


def _declared(value: Mapping[str, Any], request: Request, signature: Signature) -> Mapping[str, Any]:
    """The outputs that were asked for; one that the handler says it gives, and has not given, is a fault of it."""
    wanted = [signature.outputs[k].alias for k in signature.select(request.fetch)]
    if missing := [name for name in wanted if name not in value]:
        raise BackendFailed(f"the handler gave no output {', '.join(map(repr, missing))}")
    return {name: value[name] for name in wanted}
