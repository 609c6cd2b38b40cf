"""A pipeline: its ops as nodes of a graph, their workers, and the way of one request through them."""

import asyncio
import copy
import itertools
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Request, Response, Stage
from paddle_serving_client.wire.pipeline import PROFILE, PipelineResponse, encode_response
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.graph.graph import INPUT, WHOLE, Graph, Jump, Node, Source
from paddle_serving_server.graph.pipeline import log_files
from paddle_serving_server.graph.pipeline.channel import ChannelData
from paddle_serving_server.graph.pipeline.config import LocalModel, OpConfig, PipelineConfig, RemoteModel, op_config
from paddle_serving_server.graph.pipeline.ends import Ends
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode
from paddle_serving_server.graph.pipeline.model import BlockingModel, EngineModel, remote_model
from paddle_serving_server.graph.pipeline.op import REQUEST_NAME, Op, RequestOp, ResponseOp
from paddle_serving_server.graph.pipeline.op_channel import OpChannel
from paddle_serving_server.graph.pipeline.op_order import ordered
from paddle_serving_server.graph.pipeline.passage import Data, OpEnded, Passage, now_us
from paddle_serving_server.graph.pipeline.process_workers import ProcessWorkers
from paddle_serving_server.graph.pipeline.stages import stages_of
from paddle_serving_server.graph.pipeline.step import Job, Outcome
from paddle_serving_server.graph.pipeline.thread_workers import ThreadWorkers
from paddle_serving_server.graph.pipeline.tracer import Tracer
from paddle_serving_server.user_code.threads import Threads

logger = logging.getLogger(__name__)

_ANSWER: Final = "answer"


class Pipeline:
    """What is behind the `infer` of a service that is a pipeline."""

    def __init__(self, name: str, response: ResponseOp, config: PipelineConfig) -> None:
        """Check the graph and every op's settings.

        Raises:
            BadConfig: the ops do not make a graph, or a setting is impossible.
        """
        self.config = config
        self.ops = ordered(response)
        self._name = name
        self._settings = {op.name: op_config(op.name, op.given, config) for op in self.ops.steps}
        for unused in set(config.ops) - set(self._settings):
            logger.warning("config.yml says op.%s, but no op has that name", unused)
        self._graph: Graph[Data, Passage] = Graph(
            [self._node(op) for op in self.ops.steps],
            [WHOLE],
            {_ANSWER: Source(self.ops.last.name)},
            f"pipeline {name!r}",
        )
        self._workers: dict[str, OpChannel] = {}
        self._numbers = itertools.count()
        self._ends: Ends | None = None
        self._tracer: Tracer | None = None

    @property
    def models(self) -> dict[str, LocalModel]:
        """The models that engines of this server load, by the name of their op."""
        found = {name: settings.model for name, settings in self._settings.items()}
        return {name: model for name, model in found.items() if isinstance(model, LocalModel)}

    @property
    def entries(self) -> list[tuple[str, bool]]:
        """The ops that find what callers send: the name of each, and whether a `preprocess` of its own reads it."""
        first = [op for op in self.ops.steps if self.ops.request in op.input_ops]
        return [(op.name, type(op).preprocess is not Op.preprocess) for op in first]

    @property
    def unpacks_itself(self) -> bool:
        """Whether its RequestOp wants the message as it came."""
        return type(self.ops.request).unpack_request_package is not RequestOp.unpack_request_package

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
        return next(op for op in self.ops.steps if op.name == name)

    @property
    def process_ops(self) -> dict[str, int]:
        """How many processes each op runs in, by its name; empty: ops run in threads."""
        if self.config.is_thread_op:
            return {}
        lines = self.config.worker_num if self.config.build_dag_each_worker else 1
        return {name: lines * settings.concurrency for name, settings in self._settings.items()}

    def bind(self, engines: Mapping[str, Engine], processes: Mapping[str, Engine], threads: Threads) -> None:
        """Start the workers. Call on the event loop.

        Args:
            engines: by op, for `models`.
            processes: by op, for `process_ops`.
            threads: for a RequestOp and a ResponseOp of one's own.

        Raises:
            BadModel: an `init_op` failed.
        """
        for op in self.ops.steps:
            model = self._engine_model(op, engines)
            if op.name in processes:
                self._workers[op.name] = self._in_processes(op, processes[op.name], model)
            else:
                self._workers[op.name] = self._in_threads(op, model, threads)
        self._ends = Ends(self._name, self.ops.request, self.ops.response, threads)
        for workers in self._workers.values():
            workers.start()
        interval_s = self.config.tracer_s
        log_files.open_files(has_tracer=interval_s >= 1)
        if interval_s >= 1:
            fronts = self.config.worker_num if self.config.build_dag_each_worker else 1
            self._tracer = Tracer(self.ops, self._workers, interval_s, fronts)

    @property
    def worker_count(self) -> int:
        """Workers of all ops."""
        return sum(settings.concurrency for settings in self._settings.values())

    def expected_s(self) -> tuple[float, float]:
        """How long one more request would wait for workers, and the ops then take, in seconds."""
        workers = self._workers.values()
        return sum(w.wait_s for w in workers), sum(w.took.s for w in workers)

    async def infer(self, request: Request) -> Response:
        """Answer a request with one instance, or with the message itself where `unpacks_itself`.

        Returns:
            The texts of the answer by their keys, as the result; where they are not all of it, it is raw bytes.

        Raises:
            OpFailed: an op ended the request, with the number for the caller.
            ServingError: anything else that is wrong.
        """
        data_id = next(self._numbers)
        began = now_us()
        error = int(ChannelDataErrcode.UNKNOW)
        stages: list[Stage] = []
        try:
            answer = await self._answered(request, data_id, stages)
            error = answer.err_no
        except ServingError as exc:
            error = exc.number
            raise
        finally:
            if self._tracer is not None:
                self._tracer.request(data_id, (now_us() - began) / 1000, error)
        is_plain = len(set(answer.key)) == len(answer.key) == len(answer.value)
        if answer.err_no or answer.err_msg or answer.tensors or not is_plain:
            return Response(raw=encode_response(answer), stages=tuple(stages))
        return Response(result=dict(zip(answer.key, answer.value, strict=True)), stages=tuple(stages))

    async def _answered(self, request: Request, data_id: int, stages: list[Stage]) -> PipelineResponse:
        """Answer a request; its stages are added to `stages`."""
        assert self._ends is not None
        began = now_us()
        data, log_id = await self._ends.unpacked(request)
        unpacked = now_us()
        passage = Passage(data_id, log_id, request.deadline)
        result = await self._attempts(data, passage)
        packing = now_us()
        answer = await self._ends.packed(result, request.deadline)
        ends = (began, unpacked), (packing, now_us())
        steps = {name: (passage.arrivals[name], outcome.times) for name, outcome in passage.outcomes.items()}
        stages += stages_of(steps, *ends)
        is_asked = PROFILE in data and data[PROFILE] == "1" and not answer.err_no
        if is_asked or self.config.use_profile:
            lines = passage.profile(ends)
            if self.config.use_profile:
                sys.stderr.write(lines)
            if is_asked:
                answer = replace(answer, key=(*answer.key, PROFILE), value=(*answer.value, lines))
        return answer

    async def _attempts(self, data: Data, passage: Passage) -> ChannelData:
        """The way through the graph, again when it takes too long."""
        for left in reversed(range(self.config.retry)):
            try:
                given = await self._graph.run({WHOLE: data}, passage, passage.deadline)
                return passage.channel_data(Outcome(given[_ANSWER]))
            except OpEnded as exc:
                result = passage.channel_data(exc.outcome)
            if result.error_code != ChannelDataErrcode.TIMEOUT or not left or time.monotonic() > passage.deadline:
                break
            passage.begin_again()
        return result

    # -- where the ops run

    def _engine_model(self, op: Op, engines: Mapping[str, Engine]) -> EngineModel | None:
        settings = self._settings[op.name]
        if not isinstance(settings.model, LocalModel):
            return None
        loop = asyncio.get_running_loop()
        return EngineModel(engines[op.name], settings.model.fetch, settings.timeout_s, loop)

    def _in_processes(self, op: Op, engine: Engine, model: EngineModel | None) -> OpChannel:
        size, loop = self.config.channel_size, asyncio.get_running_loop()
        return ProcessWorkers(op.name, self._settings[op.name], size, loop, engine, model)

    def _in_threads(self, op: Op, model: EngineModel | None, threads: Threads) -> OpChannel:
        settings = self._settings[op.name]
        size, loop = self.config.channel_size, asyncio.get_running_loop()

        def make_model() -> BlockingModel | None:
            if isinstance(settings.model, RemoteModel):
                return remote_model(settings.model, settings.timeout_s, op.pack_tensor_format)
            return copy.copy(model)

        return ThreadWorkers(op, settings, size, loop, make_model, threads)

    # -- the ops as nodes

    def _node(self, op: Op) -> Node[Data, Passage]:
        """Each finds what is in front of it under the name of that op, in the order of `input_ops`."""
        inputs = {o.name: Source(INPUT if o.name == REQUEST_NAME else o.name) for o in op.input_ops}
        config = self.config
        return Node(
            op.name,
            partial(self._run, op),
            inputs,
            takes_first=config.takes_first_arrival,
            keeps_time=not config.channel_size,  # who waits for room in a channel is not looked after there
        )

    async def _run(self, op: Op, inputs: Mapping[str, Data], passage: Passage) -> Mapping[str, Data] | Jump[Data]:
        """Take a request through one op, which has a dict of its own to change."""
        job = Job({name: dict(data) for name, data in inputs.items()}, passage.data_id, passage.log_id)
        passage.arrivals[op.name] = now_us()
        outcome = passage.outcomes[op.name] = await self._workers[op.name].run(job, passage.deadline)
        if self._tracer is not None:
            self._tracer.step(op.name, passage.arrivals[op.name], outcome)
        if outcome.error:
            raise OpEnded(outcome)
        assert outcome.data is not None
        if outcome.jumps and op is not self.ops.last:
            return Jump({target.name: {op.name: outcome.data} for target in op.jump_to_ops})
        return {WHOLE: outcome.data}
