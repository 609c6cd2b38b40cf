"""The tracer: every so many seconds, what the ops and the requests of a pipeline took, as blocks of text.

==================== TRACER ======================
Op(det):
        in[0.4 ms]      waiting in its channel
        prep[1.2 ms]    preprocess
        midp[20.1 ms]   process
        postp[0.8 ms]   postprocess
        out[0 ms]       always 0: results are handed on at once
        idle[0.55]      the part of the time in which its workers had nothing to do
DAGExecutor:
        Query count[12]
        QPS[1.2 q/s]
        Succ[0.9]
        Error req[7]
        Latency:
                ave[24.3 ms]
                .50[23.8 ms]    and .60 .70 .80 .90 .95 .99
Channel (server worker num[1]):
        det(In: ['@DAGExecutor'], Out: ['rec']) size[0/0]
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from paddle_serving_server.graph.pipeline import log_files
from paddle_serving_server.graph.pipeline.op_channel import OpChannel
from paddle_serving_server.graph.pipeline.op_order import OrderedOps
from paddle_serving_server.graph.pipeline.step import Outcome

logger = logging.getLogger(log_files.TRACER)

_PERCENTILES: Final = (50, 60, 70, 80, 90, 95, 99)
_MOST_ERRORS: Final = 20
"""Requests that failed and are named in one block."""


@dataclass(slots=True)
class _OfOp:
    """Milliseconds of one op in one block."""

    count: int = 0
    waited: float = 0.0
    prep: float = 0.0
    midp: float = 0.0
    postp: float = 0.0


@dataclass(slots=True)
class _Block:
    """What happened since the last block."""

    ops: dict[str, _OfOp] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    failed: int = 0


class Tracer:
    """Collects, and writes a block every `interval_s` to its logger."""

    def __init__(self, ops: OrderedOps, workers: Mapping[str, OpChannel], interval_s: int, fronts: int) -> None:
        self._ops = ops
        self._workers = workers
        self._interval_s = interval_s
        self._fronts = fronts
        self._block = _Block()
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(interval_s, self._write)

    def request(self, data_id: int, took_ms: float, error: int) -> None:
        """A request was answered."""
        self._block.latencies.append(took_ms)
        if error:
            self._block.failed += 1
            if len(self._block.errors) < _MOST_ERRORS:
                self._block.errors.append(data_id)

    def step(self, name: str, arrived_us: int, outcome: Outcome) -> None:
        """An op was done with a request.

        Args:
            name: of the op.
            arrived_us: when the request came into its channel, in microseconds since 1970.
            outcome: what came of it, with its times.
        """
        times = outcome.times
        if len(times) < 4:
            return
        of_op = self._block.ops.setdefault(name, _OfOp())
        of_op.count += 1
        of_op.waited += (times[0] - arrived_us) / 1000
        of_op.prep += (times[1] - times[0]) / 1000
        of_op.midp += (times[3] - times[2]) / 1000
        if len(times) == 6:
            of_op.postp += (times[5] - times[4]) / 1000

    def _write(self) -> None:
        block, self._block = self._block, _Block()
        self._loop.call_later(self._interval_s, self._write)
        for line in ["==================== TRACER ======================", *self._lines(block)]:
            logger.info("%s", line)

    def _lines(self, block: _Block) -> Iterable[str]:
        for op in self._ops.steps:
            of_op = block.ops.get(op.name, _OfOp())
            count = max(1, of_op.count)
            busy_ms = of_op.prep + of_op.midp + of_op.postp
            whole_ms = 1000 * self._interval_s * self._workers[op.name].count
            yield f"Op({op.name}):"
            yield f"\tin[{of_op.waited / count:.3f} ms]"
            yield f"\tprep[{of_op.prep / count:.3f} ms]"
            yield f"\tmidp[{of_op.midp / count:.3f} ms]"
            yield f"\tpostp[{of_op.postp / count:.3f} ms]"
            yield "\tout[0 ms]"
            yield f"\tidle[{max(0.0, 1 - busy_ms / whole_ms):.2f}]"
        yield from self._totals(block)
        yield f"Channel (server worker num[{self._fronts}]):"
        for op in self._ops.steps:
            before, behind = [o.name for o in op.input_ops], [o.name for o in self._ops.behind[op.name]]
            waiting, room = self._workers[op.name].waiting
            yield f"\t{op.name}(In: {before}, Out: {behind}) size[{waiting}/{room}]"

    def _totals(self, block: _Block) -> Iterable[str]:
        count = len(block.latencies)
        yield "DAGExecutor:"
        yield f"\tQuery count[{count}]"
        yield f"\tQPS[{count / self._interval_s:g} q/s]"
        yield f"\tSucc[{(count - block.failed) / count if count else 1.0:g}]"
        yield f"\tError req[{', '.join(map(str, block.errors))}]"
        yield "\tLatency:"
        ordered = sorted(block.latencies) or [0.0]
        yield f"\t\tave[{sum(ordered) / len(ordered):.3f} ms]"
        for percent in _PERCENTILES:
            yield f"\t\t.{percent}[{ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]:.3f} ms]"
