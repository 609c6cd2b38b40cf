"""An op whose workers are engine processes: user code there, which the supervisor starts, watches and replaces.

Each worker has one batch at a time, so that what waits here goes to whichever is free next. What the op's model is
asked comes back here, and goes to the engine of this server that has it: it is loaded once, whoever asks it.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paddle_serving_client.errors import BackendFailed, DeadlineExceeded, ServingError
from paddle_serving_server.engine import handler_call, handler_packets
from paddle_serving_server.engine.context import Context
from paddle_serving_server.engine.interface import Engine
from paddle_serving_server.graph.pipeline import op_packets
from paddle_serving_server.graph.pipeline.config import OpConfig
from paddle_serving_server.graph.pipeline.model import EngineModel
from paddle_serving_server.graph.pipeline.op_channel import OpChannel, Waiting, failed, late
from paddle_serving_server.graph.pipeline.step import Job, Outcome

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Batch:
    """Requests for a worker that is free; more may come until it is sent."""

    taken: list[Waiting] = field(default_factory=list)
    timer: asyncio.Handle | None = None


class ProcessWorkers(OpChannel):
    """The channel of an op, and the processes that empty it."""

    def __init__(
        self,
        name: str,
        config: OpConfig,
        channel_size: int,
        loop: asyncio.AbstractEventLoop,
        engine: Engine,
        model: EngineModel | None,
    ) -> None:
        """`engine` is that of the processes; `model` answers for the op's own, where this server has it."""
        super().__init__(name, config, channel_size, loop)
        self._engine = engine
        self._model = model
        self._free = self.count
        """Workers without a batch."""
        self._open: _Batch | None = None
        """One that waits for company."""
        self._running: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """See `OpChannel.start`: who binds the engine has waited for it."""

    def _usable(self) -> int:
        return self.count

    def _put(self, job: Job, future: "asyncio.Future[Outcome]", deadline: float) -> Waiting:
        waiting = Waiting(job, future, deadline)
        self._channel.append(waiting)
        self._hand_out()
        return waiting

    def _leave(self, waiting: Waiting) -> bool:
        self._drop(waiting)
        return False

    # -- batches

    def _hand_out(self) -> None:
        """Give what waits to workers that are free: the oldest request, and those that come before its wait ends."""
        config = self._config
        while self._channel and (self._open is not None or self._free):
            if self._open is None:
                self._free -= 1
                self._open = _Batch()
            batch = self._open
            while self._channel and len(batch.taken) < config.batch_size:
                batch.taken.append(self._channel.popleft())
            if len(batch.taken) >= config.batch_size:
                self._send(batch)
            elif batch.timer is None:  # without a wait, what comes at the same moment is company too
                batch.timer = self._loop.call_later(config.batch_wait_s, self._send, batch)

    def _send(self, batch: _Batch) -> None:
        self._open = None
        if batch.timer is not None:
            batch.timer.cancel()
        if self._room is not None:
            for _ in batch.taken:
                self._room.release()
        task = self._loop.create_task(self._run(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, batch: _Batch) -> None:
        """Take a batch through the op; its worker is free then."""
        began = time.monotonic()
        for waiting in batch.taken:
            if waiting.deadline < began and not waiting.future.done():
                waiting.future.set_result(late(self.name))
        wanted = [waiting for waiting in batch.taken if not waiting.future.done()]
        try:
            if wanted:
                await self._answer(wanted)
                self.took.add((time.monotonic() - began) / len(wanted))
        finally:
            self._free += 1
            self._hand_out()

    async def _answer(self, wanted: list[Waiting]) -> None:
        deadline = max(waiting.deadline for waiting in wanted)
        context = Context(deadline, log_id=wanted[0].job.log_id, ask=None if self._model is None else self._ask)
        packet = op_packets.requests([waiting.job for waiting in wanted])
        try:
            with context:
                answer, _ = await handler_call.call(self._engine, packet, handler_packets.CALL, context)
            results = op_packets.read_outcomes(answer)
            if len(results) != len(wanted):
                raise RuntimeError(f"{len(wanted)} requests, {len(results)} outcomes")
        except DeadlineExceeded:
            results = [late(self.name)] * len(wanted)
        except Exception as exc:
            logger.exception("op %s failed", self.name)
            results = list(failed(self.name, exc, len(wanted)))
        for waiting, outcome in zip(wanted, results, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(outcome)

    async def _ask(self, question: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
        """Answer what user code asks its model; see `engine.context.Ask`."""
        assert self._model is not None
        try:
            return dict(await self._model.answer(question["feed"], question["log_id"], context.deadline))
        except ServingError:
            raise
        except Exception as exc:
            logger.exception("the model of op %s failed", self.name)
            raise BackendFailed("the model failed; see the log") from exc
