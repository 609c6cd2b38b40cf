"""A service with steps of a user before and behind its model: in threads, timed, with one version of each model."""

import asyncio
import contextlib
import inspect
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Never, TypeVar

from paddle_serving_app.signature import Signature
from paddle_serving_client.errors import BadConfig
from paddle_serving_client.message import Array, Instance, Request, Response, Stage
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.feed import as_tensors, outputs_of, tensors_and_lods, unpacked
from paddle_serving_server.engine.interface import Engine, answer
from paddle_serving_server.engine.lane import Lane
from paddle_serving_server.services import passage as passages
from paddle_serving_server.services.model_service import ModelService
from paddle_serving_server.services.parts import Generated, ServiceParts
from paddle_serving_server.services.passage import Passage
from paddle_serving_server.user_code.admission import Admission, Room
from paddle_serving_server.user_code.steps import Steps
from paddle_serving_server.user_code.threads import Threads

_Result = TypeVar("_Result")
_STEPS: Final = ("preprocess", "postprocess")
_WAYS: Final = ("infer", "infer_models")


class SteppedService(ModelService):
    """A model with steps around it; where a subclass writes none, the model as it is."""

    kind = "json"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._steps: Steps | None = None
        """None where it has none of its own."""
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- what a subclass writes

    def init_service(self) -> None:
        """Called once in each serving process, before the first request."""

    def preprocess(
        self,
        feed: list[Instance] = [],  # noqa: B006  # the signature that subclasses know; never written to
        fetch: list[str] = [],  # noqa: B006
    ) -> tuple[Any, ...]:
        """Turn the instances of a request into the inputs of the model.

        Args:
            feed: the list under "feed" of the request; an uploaded picture is {"image": bytes}.
            fetch: the list under "fetch".

        Returns:
            (inputs by name, fetch, whether the inputs have the batch axis already). The last may be left out.
        """
        if not self._engines:
            return {}, fetch, True
        tensors, lods = tensors_and_lods(self._engine().signature, feed)
        return tensors | {f"{name}.lod": lod[0] for name, lod in lods.items()}, fetch, True

    def postprocess(
        self,
        feed: list[Instance] = [],  # noqa: B006
        fetch: list[str] = [],  # noqa: B006
        fetch_map: Mapping[str, Array] | None = None,
    ) -> Any:
        """Turn the outputs of the model into what the caller gets under "result": anything that JSON can say.

        Args:
            feed: the instances as they came.
            fetch: the names asked for.
            fetch_map: outputs by alias, with the batch axis; of a service without a model, what `preprocess` gave.

        A generator answers in parts: who asks for a stream gets each when it is made, everybody else a list of them.
        """
        return {name: array.tolist() if self._engines else array for name, array in (fetch_map or {}).items()}

    # -- what a subclass may call

    def predict(
        self, model: str, feed: Mapping[str, object], fetch: Sequence[str] = (), batch: bool = False
    ) -> dict[str, Array]:
        """Run another model of this service; blocks. Only in `preprocess` and `postprocess`.

        Args:
            model: the name given to `load_model_config`.
            feed: arrays by name; `NAME.lod` for sequence offsets.
            fetch: outputs wanted; empty means all.
            batch: whether the arrays have the batch axis already.

        Returns:
            Outputs by alias.
        """
        assert self._loop is not None
        passage = passages.in_this_thread()
        context = Context() if passage is None else passage.context
        call = self._predict(self._engine(model), feed, fetch, batch, context)
        outputs, stages = asyncio.run_coroutine_threadsafe(call, self._loop).result()
        if passage is not None:
            passage.inside += stages
        return outputs

    def signature_of(self, model: str) -> Signature:
        """The inputs and outputs of a model of this service, by the name given to `load_model_config`."""
        return self._engine(model).signature

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a step; the caller sees it in the `Server-Timing` header, without the steps inside it."""
        passage = passages.in_this_thread()
        with passage.stage(name) if passage else contextlib.nullcontext():
            yield

    # -- what a server calls

    def bind(self, engines: Mapping[str, Engine], threads: Threads) -> None:
        """See `Service.bind`.

        Raises:
            BadConfig: there is neither a model nor a step, so that nothing could be answered.
        """
        self._engines = engines
        self._loop = asyncio.get_running_loop()
        has_steps, has_ways = not self._has_default(_STEPS), not self._has_default(_WAYS)
        self.keeps_time = not has_ways and not self.in_process
        if not (has_steps or has_ways or engines):
            what = "call load_model_config() in its file, or write its preprocess or postprocess"
            raise BadConfig(f"service {self.name!r} has no model and no steps of its own: {what}")
        if has_steps:
            self._steps = Steps(self.name, threads, _STEPS)
            room = Room.beside(threads.count, self.limits.max_inside, self.limits.max_body_bytes)
            self._admission = Admission(self.name, room, self._steps.expected_s)
        if engines and not has_ways:
            self.lane = Lane.beside(self._engine())
        try:
            self.init_service()
        except Exception:
            raise
        except BaseException as exc:
            raise BadConfig(f"init_service of service {self.name!r} raised {type(exc).__name__}") from exc

    async def infer(self, request: Request) -> Response:
        """Answer one request: tensors go to the main model as they are, instances through pre- and postprocessing.

        Raises:
            ServingError: whatever is wrong, in the caller's terms.
        """
        if self._steps is None or request.tensors is not None:
            return await super().infer(request)
        assert self._admission is not None
        with contextlib.ExitStack() as held:
            context = held.enter_context(Context.of(request))
            held.enter_context(self._admission.enter(request.deadline, request.body_bytes))
            passage = Passage(context, self._engines)
            response = await self._infer_with_steps(request, passage)
            if not inspect.isgenerator(response.result):
                return response
            return replace(response, result=None, parts=self._parts_of(response.result, passage, held.pop_all()))

    def held(self, context: Context) -> "SteppedService":
        """See `Service.held`: what a user's object keeps is not to be found in a copy of it."""
        return self

    @property
    def takes_tensors(self) -> bool:
        """See `Service.takes_tensors`."""
        return self._steps is None

    @property
    def answers_in_parts(self) -> bool:
        """See `Service.answers_in_parts`."""
        return inspect.isgeneratorfunction(type(self).postprocess)

    # -- details

    async def _infer_with_steps(self, request: Request, passage: Passage) -> Response:
        instances, wanted = list(request.instances), list(request.fetch)
        prepared = await self._user_code("preprocess", lambda: self.preprocess(instances, wanted), passage)
        feed, fetch, has_batch = unpacked(prepared)
        fetch_map: Mapping[str, Any] = feed
        if self._engines:
            main = next(iter(passage.engines.values()))
            fetch_map, model_stages = await self._predict(main, feed, fetch, has_batch, passage.context)
            passage.stages += model_stages
        result = await self._user_code("postprocess", lambda: self.postprocess(instances, fetch, fetch_map), passage)
        return Response(
            result=result,
            stages=tuple(passage.stages),
            inside=tuple(passage.inside),
            variant=passage.context.answered_by,
        )

    def _parts_of(self, made: Generator[Any, Never, Any], passage: Passage, held: contextlib.ExitStack) -> ServiceParts:
        """What a postprocess that is a generator gives; each part has as long as a whole answer otherwise."""
        assert self._steps is not None
        steps, generated, loop = self._steps, Generated(made), asyncio.get_running_loop()

        async def next_part() -> object:
            passage.context.deadline = time.monotonic() + self.limits.request_s
            return await steps.run("postprocess", partial(passage.run, generated.next), passage.context.deadline)

        def end() -> None:
            held.close()
            closing = loop.create_task(steps.run("postprocess", generated.close, math.inf))
            closing.add_done_callback(lambda done: done.cancelled() or done.exception())

        return ServiceParts(next_part, end)

    def _has_default(self, methods: Sequence[str]) -> bool:
        return all(getattr(type(self), name) is getattr(SteppedService, name) for name in methods)

    def _engine(self, name: str | None = None) -> Engine:
        """A model of this service, or the main one, as the request at hand sees it."""
        passage = passages.in_this_thread()
        engines = self._engines if passage is None else passage.engines
        if name is None:
            return next(iter(engines.values())) if engines else super()._engine()
        if name not in engines:
            has = ", ".join(map(repr, engines))
            raise BadConfig(f"service {self.name!r} has no model {name!r}; it has {has}")
        return engines[name]

    async def _predict(
        self, engine: Engine, feed: Mapping[str, object], fetch: Sequence[str], has_batch: bool, context: Context
    ) -> tuple[dict[str, Array], Sequence[Stage]]:
        tensors, lods = as_tensors(engine.signature, feed, has_batch)
        response = await answer(engine, Request(tensors=tensors, lods=lods, fetch=tuple(fetch)), context)
        return outputs_of(response), response.stages

    async def _user_code(self, step: str, call: Callable[[], _Result], passage: Passage) -> _Result:
        """Run a user's step in a thread."""
        assert self._steps is not None
        with passage.stage(step):
            return await self._steps.run(step, partial(passage.run, call), passage.context.deadline)
