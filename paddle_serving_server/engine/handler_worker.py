"""The engine process of user code: a handler in the main thread, the lines to the fronts in another.

Both share the queue of requests. A request is a value in arrays (`values.to_arrays`), and so is its result. The main
thread takes what waits, up to the largest batch, says that it has begun, and calls the handler. The other thread
listens meanwhile: questions and their answers pass there, and it ends the process when a batch takes longer than all
who wait for it do, so that another process takes its place.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from paddle_serving_app.handler import Failure, Handler, HandlerRequest, HandlerSpec, Spent, parts_of
from paddle_serving_client.errors import BackendFailed, BadInput, ServingError
from paddle_serving_client.message import Measured
from paddle_serving_server.engine import handler_packets, messages, segments, values
from paddle_serving_server.engine.front_lines import Job
from paddle_serving_server.engine.handler_lines import EXIT_STUCK, HandlerLines, is_part
from paddle_serving_server.engine.handler_plan import ABOUT, DECOUPLED, PROCESS, USER_CODE
from paddle_serving_server.engine.handler_streams import Streams
from paddle_serving_server.engine.settings import DeploymentSpec

logger = logging.getLogger(__name__)

_USUAL_REQUESTS: Final = 16
_MOST_MEASURED: Final = 1024
_GRACE_S: Final = 2.0
"""How much longer than its requests a batch may take before its process counts as hung."""


class HandlerWorker:
    """Around one handler."""

    def __init__(self, handler: Handler, spec: DeploymentSpec, lines: HandlerLines) -> None:
        assert spec.handler is not None
        self._handler = handler
        self._spec: HandlerSpec = spec.handler
        self._max_requests = min(filter(None, (spec.max_rows, handler.max_requests)), default=_USUAL_REQUESTS)
        self._max_wait_s = spec.max_wait_ms / 1000
        self._lines = lines
        self._measures: Callable[[], Sequence[Measured]] = getattr(handler, "measured", tuple)
        self._measured: list[Measured] = []
        """What the handler has counted, and no front has been told."""
        self._streams = Streams(lines.wake)
        lines.streams = self._streams
        self._why_spent = ""
        lines.busy_since = getattr(handler, "busy_since", lines.busy_since)

    def serve(self) -> int:
        """Answer until the supervisor says stop or is gone, or the handler has enough; returns the exit status."""
        while not self._why_spent:
            if (jobs := self._lines.next_batch(self._max_requests, self._max_wait_s)) is None:
                return 0
            self._run(jobs)
        logger.error("%s; another process takes this place", self._why_spent)
        self._lines.finish()
        return EXIT_STUCK

    def _run(self, jobs: Sequence[Job]) -> None:
        started = time.monotonic()
        asked: list[tuple[Job, HandlerRequest]] = []
        for job in jobs:
            try:
                call = values.of_arrays(job.feed.arrays)
                if is_part(job):
                    self._answer(job, partial(self._streams.go_on, call), started, 1)
                else:
                    asked.append((job, handler_packets.read_request(call, job.run.deadline, job.cancelled.is_set)))
            except Exception as exc:
                self._fail(job, exc)
        if asked:
            self._handle(asked, started)

    def _handle(self, asked: Sequence[tuple[Job, HandlerRequest]], started: float) -> None:
        limit_s = self._spec.timeout_s
        deadline = started + limit_s if limit_s else max(job.run.deadline for job, _ in asked) + _GRACE_S
        self._lines.begin([job for job, _ in asked], deadline)
        try:
            results = self._results([request for _, request in asked])
        except BaseException as exc:  # sys.exit() in a handler ends no process that others use
            failure = self._as_failure(exc)
            results = [failure] * len(asked)
        self._lines.end_batch()
        self._measured = [*self._measured, *self._measures()][-_MOST_MEASURED:]
        for (job, _), result in zip(asked, results, strict=True):
            self._answer(job, partial(self._as_packet, job, result), started, len(asked))

    def _results(self, requests: Sequence[HandlerRequest]) -> Sequence[Any]:
        try:
            results = self._handler.handle(requests)
        except Spent as exc:
            results, self._why_spent = exc.results, str(exc) or "the handler has answered its last requests"
        if not isinstance(results, list | tuple):
            raise BackendFailed(f"handle returned {type(results).__name__}, expected a list of {len(requests)} results")
        if len(results) != len(requests):
            raise BackendFailed(f"handle returned {len(results)} results for {len(requests)} requests")
        return results

    def _as_failure(self, exc: BaseException) -> Failure:
        if isinstance(exc, Failure):
            return exc
        if isinstance(exc, BadInput):
            return Failure(str(exc), is_callers=True)
        if isinstance(exc, ServingError):
            logger.error("the handler: %s", exc)
            return Failure(str(exc))
        logger.error("the handler failed", exc_info=exc)
        return Failure(f"the handler failed ({type(exc).__name__}); see the log")

    def _as_packet(self, job: Job, result: Any) -> Mapping[str, Any]:
        if isinstance(result, BaseException):
            return handler_packets.failure(self._as_failure(result))
        if (parts := parts_of(result)) is not None:
            return self._streams.begin(job.front, parts)
        measured, self._measured = self._measured, []
        return handler_packets.result(result, measured)

    def _answer(self, job: Job, packet: Callable[[], Mapping[str, Any]], started: float, rows: int) -> None:
        try:
            said = packet()
            arrays = values.to_arrays(said)
        except Exception as exc:
            self._fail(job, exc)
            return
        run_ms = (time.monotonic() - started) * 1000
        timing = ((started - job.run.sent) * 1000, 0.0, 0.0, run_ms, 0 if "failure" in said else rows)
        self._lines.post(job.front, *_done(job, arrays, timing))

    def _fail(self, job: Job, exc: Exception) -> None:
        if not isinstance(exc, ServingError):
            logger.error("a request failed", exc_info=exc)
            exc = BackendFailed(f"the engine failed ({type(exc).__name__}); see the log")
        self._lines.post(job.front, messages.failed(job.run.id, exc), None)


def hello(handler: Handler, kind: str, seconds: float) -> bytes:
    """What fronts are told first; it took so many seconds to load."""
    process = {"pid": os.getpid(), "started": time.time() - seconds, "load_ms": round(seconds * 1000)}
    about = {DECOUPLED: handler.is_decoupled, ABOUT: asdict(handler.about), PROCESS: process}
    return messages.hello(handler.signature, kind, {USER_CODE: kind, **about})


def _done(job: Job, arrays: Sequence[Any], timing: messages.Timing) -> tuple[bytes, int | None]:
    offsets, end = segments.layout(arrays)
    if end <= messages.INLINE_BYTES:
        return messages.done(job.run.id, messages.INLINE, 0, timing, arrays, offsets, {}), None
    enclosed = segments.create(0, end)
    segments.write(enclosed.memory, arrays, offsets)
    return messages.done(job.run.id, messages.ENCLOSED, end, timing, arrays, offsets, {}), enclosed.fd
