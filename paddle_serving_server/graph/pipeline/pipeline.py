"""A pipeline: its ops' workers, and the way of one request through them."""

import asyncio
import itertools
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from paddle_serving_client.errors import BadConfig, DeadlineExceeded, NoMethod, ServingError
from paddle_serving_client.message import Request, Response, Stage
from paddle_serving_client.wire import pipeline as wire
from paddle_serving_client.wire.pipeline import PROFILE, PipelineRequest, PipelineResponse
from paddle_serving_client.wire.proto import pipeline_service_pb2
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.graph.pipeline import log_files
from paddle_serving_server.graph.pipeline.channel import ChannelData
from paddle_serving_server.graph.pipeline.config import LocalModel, OpConfig, PipelineConfig, op_config
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode, OpFailed, raised
from paddle_serving_server.graph.pipeline.graph import graph_of
from paddle_serving_server.graph.pipeline.model import BlockingModel, ClientModel, EngineModel, GrpcModel, PipelineModel
from paddle_serving_server.graph.pipeline.op import REQUEST_NAME, Op, RequestOp, ResponseOp
from paddle_serving_server.graph.pipeline.process import Origin, ProcessRunner
from paddle_serving_server.graph.pipeline.stages import stages_of
from paddle_serving_server.graph.pipeline.step import Job, Outcome
from paddle_serving_server.graph.pipeline.tracer import Tracer
from paddle_serving_server.graph.pipeline.workers import Runner, ThreadRunner, Workers
from paddle_serving_server.user_code.threads import Threads

logger = logging.getLogger(__name__)

_LARGE = 1000
"""Elements of an array from which its text is made in a thread."""


@dataclass(slots=True, eq=False)
class _Passage:
    """One request on its way through the graph."""

    data_id: int
    log_id: int
    deadline: float
    arrived: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By the name of an op: what the ops in front of it have given so far."""
    started: set[str] = field(default_factory=set)
    arrivals: dict[str, int] = field(default_factory=dict)
    """When each op's channel got the request, in microseconds since 1970."""
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class Pipeline:
    """What is behind the `infer` of a service that is a pipeline."""

    def __init__(self, name: str, response: ResponseOp, config: PipelineConfig) -> None:
        """Check the graph and every op's settings.

        Raises:
            BadConfig: the ops do not make a graph, or a setting is impossible.
        """
        self.config = config
        self.graph = graph_of(response)
        self._name = name
        self._settings = {op.name: op_config(op.name, op.given, config) for op in self.graph.ops}
        for unused in set(config.ops) - set(self._settings):
            logger.warning("config.yml says op.%s, but no op has that name", unused)
        self._workers: dict[str, Workers] = {}
        self._numbers = itertools.count()
        self._threads: Threads | None = None
        self._tracer: Tracer | None = None
        self._unpacks_itself = type(self.graph.request).unpack_request_package is not RequestOp.unpack_request_package
        self._packs_itself = type(self.graph.response).pack_response_package is not ResponseOp.pack_response_package

    @property
    def models(self) -> dict[str, LocalModel]:
        """The models that engines of this server load, by the name of their op."""
        found = {name: settings.model for name, settings in self._settings.items()}
        return {name: model for name, model in found.items() if isinstance(model, LocalModel)}

    @property
    def flags(self) -> list[str]:
        """What the server is told that serves this pipeline alone."""
        first, *more = self.config.ports
        flags = ["--port", str(first)]
        flags += ["--extra_ports", *map(str, more)] if more else []
        return [*flags, "--fronts", str(self.config.worker_num)] if self.config.build_dag_each_worker else flags

    def settings(self, name: str) -> OpConfig:
        """How an op runs."""
        return self._settings[name]

    def op(self, name: str) -> Op:
        """The op of a name."""
        return next(op for op in self.graph.ops if op.name == name)

    def bind(self, engines: Mapping[str, Engine], threads: Threads, origin: Origin | None) -> None:
        """Start the workers. Call on the event loop.

        Args:
            engines: by op, for `models`.
            threads: for a RequestOp and a ResponseOp of one's own.
            origin: where processes find the service; None: nowhere.

        Raises:
            BadConfig: ops should be processes, and the service is in no file.
            BadModel: an `init_op` failed.
        """
        loop = asyncio.get_running_loop()
        self._threads = threads
        if not self.config.is_thread_op and origin is None:
            raise BadConfig("is_thread_op: False needs the service to be in a file")
        for op in self.graph.ops:
            settings = self._settings[op.name]
            make_runner = partial(self._runner, op, engines, origin, loop)
            self._workers[op.name] = Workers(op, settings, make_runner, self.config.channel_size, threads, loop)
        self.graph.request.init_op()
        self.graph.response.init_op()
        for workers in self._workers.values():
            workers.start()
        interval_s = self.config.tracer_s
        log_files.open_files(has_tracer=interval_s >= 1)
        if interval_s >= 1:
            fronts = self.config.worker_num if self.config.build_dag_each_worker else 1
            self._tracer = Tracer(self.graph, self._workers, interval_s, fronts)

    @property
    def worker_count(self) -> int:
        """Workers of all ops."""
        return sum(settings.concurrency for settings in self._settings.values())

    def expected_s(self) -> tuple[float, float]:
        """How long one more request would wait for workers, and the ops then take, in seconds."""
        workers = self._workers.values()
        return sum(w.wait_s for w in workers), sum(w.took.s for w in workers)

    def _runner(
        self,
        op: Op,
        engines: Mapping[str, Engine],
        origin: Origin | None,
        loop: asyncio.AbstractEventLoop,
        number: int,
    ) -> Runner:
        settings = self._settings[op.name]
        model = self._model(op, settings, engines, loop)
        if origin is None or self.config.is_thread_op:
            return ThreadRunner(op, number, settings, model)
        return ProcessRunner(origin, self._name, op.name, number, model)

    def _model(
        self, op: Op, settings: OpConfig, engines: Mapping[str, Engine], loop: asyncio.AbstractEventLoop
    ) -> BlockingModel | None:
        model = settings.model
        if model is None:
            return None
        if isinstance(model, LocalModel):
            return EngineModel(engines[op.name], model.fetch, settings.timeout_s, loop)
        if model.client_type == "pipeline_grpc":
            return PipelineModel(model, settings.timeout_s, op.pack_tensor_format)
        return (GrpcModel if model.client_type == "grpc" else ClientModel)(model, settings.timeout_s)

    async def infer(self, request: Request) -> Response:
        """Answer a call; the result is a `PipelineResponse`, whose `err_no` is 0 unless a ResponseOp says otherwise.

        Raises:
            OpFailed: an op ended the request, with the number for the caller.
            ServingError: anything else that is wrong.
        """
        call = request.call
        if not isinstance(call, PipelineRequest):
            raise NoMethod(f"{self._name!r} is a pipeline: POST /{self._name}/prediction with key and value, or gRPC")
        data_id = next(self._numbers)
        began = _now()
        error = int(ChannelDataErrcode.UNKNOW)
        stages: list[Stage] = []
        try:
            answer = await self._answered(call, data_id, request.deadline, stages)
            error = answer.err_no
        except ServingError as exc:
            error = exc.number
            raise
        finally:
            if self._tracer is not None:
                self._tracer.request(data_id, (_now() - began) / 1000, error)
        return Response(result=answer, stages=tuple(stages))

    async def _answered(
        self, call: PipelineRequest, data_id: int, deadline: float, stages: list[Stage]
    ) -> PipelineResponse:
        """Answer a call; its stages are added to `stages`."""
        began = _now()
        data, log_id = await self._unpacked(call, deadline)
        unpacked = _now()
        passage = _Passage(data_id, log_id, deadline)
        result = await self._attempts(data, passage)
        packing = _now()
        answer = await self._packed(result, deadline)
        ends = (began, unpacked), (packing, _now())
        steps = {name: (passage.arrivals[name], outcome.times) for name, outcome in passage.outcomes.items()}
        stages += stages_of(steps, *ends)
        is_asked = PROFILE in data and data[PROFILE] == "1" and not answer.err_no
        if is_asked or self.config.use_profile:
            lines = self._profile(passage, ends)
            if self.config.use_profile:
                sys.stderr.write(lines)
            if is_asked:
                answer = replace(answer, key=(*answer.key, PROFILE), value=(*answer.value, lines))
        return answer

    async def _attempts(self, data: dict[str, Any], passage: _Passage) -> ChannelData:
        """The way through the graph, again when it takes too long."""
        for left in reversed(range(self.config.retry)):
            result = await self._through(data, passage)
            if result.error_code != ChannelDataErrcode.TIMEOUT or not left or time.monotonic() > passage.deadline:
                break
            for part in (passage.arrived, passage.started, passage.arrivals, passage.outcomes):
                part.clear()
        return result

    async def _through(self, data: dict[str, Any], passage: _Passage) -> ChannelData:
        """Start each op when what it waits for is there, until the last one is done or one has failed."""
        running: dict[asyncio.Task[Outcome], Op] = {}

        def start(op: Op, inputs: dict[str, dict[str, Any]]) -> None:
            if op.name not in passage.started:
                passage.started.add(op.name)
                job = Job(inputs, passage.data_id, passage.log_id)
                passage.arrivals[op.name] = _now()
                running[asyncio.ensure_future(self._workers[op.name].run(job, passage.deadline))] = op

        for op in self.graph.first:
            self._arrive(op, REQUEST_NAME, data, passage, start)
        try:
            while running:
                left_s = None if passage.deadline == float("inf") else passage.deadline - time.monotonic()
                done, _ = await asyncio.wait(running, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    waited = ", ".join(repr(op.name) for op in running.values())
                    raise DeadlineExceeded(f"no answer in time; in work: {waited}")
                for task in done:
                    op = running.pop(task)
                    outcome = passage.outcomes[op.name] = task.result()
                    if self._tracer is not None:
                        self._tracer.step(op.name, passage.arrivals[op.name], outcome)
                    if outcome.error or op is self.graph.last:
                        return self._channel_data(outcome, passage)
                    assert outcome.data is not None
                    if outcome.jumps:
                        for target in op.jump_to_ops:
                            start(target, {op.name: outcome.data})
                        continue
                    for behind in self.graph.behind[op.name]:
                        self._arrive(behind, op.name, outcome.data, passage, start)
        finally:
            for task in running:
                task.cancel()
        raise OpFailed(ChannelDataErrcode.UNKNOW, "no op led to the last one: what was jumped over was waited for")

    def _arrive(self, op: Op, from_name: str, data: dict[str, Any], passage: _Passage, start: Any) -> None:
        arrived = passage.arrived.setdefault(op.name, {})
        arrived[from_name] = data
        if len(arrived) == len(op.input_ops) or self.config.takes_first_arrival:
            # In the order of `input_ops`, whoever was first; each op has a dict of its own to change.
            names = [o.name for o in op.input_ops if o.name in arrived]
            start(op, {name: dict(arrived[name]) for name in names})

    def _channel_data(self, outcome: Outcome, passage: _Passage) -> ChannelData:
        return ChannelData(
            data=outcome.data,
            error_code=outcome.error,
            error_info=outcome.info,
            data_id=passage.data_id,
            log_id=passage.log_id,
        )

    async def _unpacked(self, call: PipelineRequest, deadline: float) -> tuple[dict[str, Any], int]:
        if not self._unpacks_itself:
            return dict(call.feed()), call.log_id
        message = pipeline_service_pb2.Request.FromString(wire.encode_request(call))
        unpacked = await self._user_code(self.graph.request.unpack_request_package, message, call.log_id, deadline)
        data, log_id, code, info = unpacked
        if code is not None and code != 0:
            raise OpFailed(code, str(info))
        if not isinstance(data, dict):
            raise OpFailed(ChannelDataErrcode.TYPE_ERROR, f"unpack_request_package gave a {type(data).__name__}")
        return data, int(log_id or 0)

    async def _packed(self, result: ChannelData, deadline: float) -> PipelineResponse:
        pack = self.graph.response.pack_response_package
        if self._packs_itself:
            answer = await self._user_code(pack, result, result.log_id, deadline)
        elif result.error_code:
            raise OpFailed(result.error_code, result.error_info)
        elif any(getattr(value, "size", 0) > _LARGE for value in (result.data or {}).values()):
            assert self._threads is not None
            answer = await self._threads.run(partial(pack, result), deadline, is_begun=True)
        else:
            answer = pack(result)
        if not isinstance(answer, PipelineResponse):
            return wire.decode_response(answer.SerializeToString())
        for name, value in zip(answer.key, answer.value, strict=False):
            if not _is_unicode(name) or not _is_unicode(value):
                text = f"the text of {name[:64]!r} has half a surrogate pair, which is no Unicode"
                raise OpFailed(ChannelDataErrcode.TYPE_ERROR, text)
        return answer

    async def _user_code(self, method: Any, argument: object, log_id: int, deadline: float) -> Any:
        try:
            assert self._threads is not None
            return await self._threads.run(partial(method, argument), deadline, title=f"{method.__name__}")
        except ServingError:
            raise
        except Exception as exc:
            logger.exception("%s failed, log_id=%d", method.__name__, log_id)
            owner = type(method.__self__).__name__
            raise OpFailed(ChannelDataErrcode.UNKNOW, raised(log_id, exc, owner, method.__name__)) from exc

    def _profile(self, passage: _Passage, ends: Sequence[tuple[int, int]]) -> str:
        """PROFILE lines: the ends of each step in microseconds since 1970."""
        number = f"{passage.data_id}#"
        names = (f"prepack_{number}{REQUEST_NAME}", f"postpack_{number}{REQUEST_NAME}", f"call_{number}DAG")
        spans = (*ends, (ends[0][0], ends[-1][1]))
        head = f"\nPROFILE\tpid:{os.getpid()}\t"
        lines = head + _spans(zip(names, spans, strict=True))
        steps = []
        for name, outcome in passage.outcomes.items():
            times = outcome.times
            for k, step in enumerate(("prep", "midp", "postp")):
                if len(times) >= 2 * k + 2:
                    steps.append((f"{step}#[{name}|{passage.data_id}]", (times[2 * k], times[2 * k + 1])))
        return lines + head + _spans(steps) + "\n"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spans(spans: Any) -> str:
    return "".join(f"{name}_0:{start} {name}_1:{end} " for name, (start, end) in spans)


def _now() -> int:
    return time.time_ns() // 1000
