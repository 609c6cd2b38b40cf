"""The engine process: one loaded model, and a loop that takes what waits, batches it, runs it and answers.

    python -m paddle_serving_server.engine.worker LISTENER_FD CONTROL_FD    (started by the supervisor)

It reads an `EngineConfig` from the control socket, loads the model, and only then accepts fronts, so that whoever
connects meanwhile waits in the listener's queue. When the control socket closes, the supervisor is gone and so is this.
"""

import logging
import os
import resource
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from paddle_serving_app import layout, progress
from paddle_serving_app.choosing import plan
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged
from paddle_serving_client import dtype
from paddle_serving_client.encryption import key_from_text
from paddle_serving_client.errors import BackendFailed, BadInput, BadPacket, DeadlineExceeded, ServingError
from paddle_serving_client.message import Array, Lod
from paddle_serving_server.engine import batch, messages, repository, segments
from paddle_serving_server.engine.front_lines import FrontLines, Job
from paddle_serving_server.engine.joining import joins_rows
from paddle_serving_server.engine.origin import Unchanged, taken
from paddle_serving_server.engine.settings import EXIT_CANNOT_START, DeploymentSpec, EngineConfig
from paddle_serving_server.engine.tensor_layout import NO_STRINGS
from paddle_serving_server.process import control, heap, log

logger = logging.getLogger(__name__)

_UNMEASURED_ROWS = 32
"""Largest batch of a model of which nobody knows how it does in batches."""


class Worker:
    """The loop around one model."""

    def __init__(self, model: Model, spec: DeploymentSpec, listener: socket.socket, line: socket.socket) -> None:
        self._model = model
        self._joins = not spec.one_by_one and joins_rows(model)
        self._max_rows = (spec.max_rows or model.plan.max_rows or _UNMEASURED_ROWS) if self._joins else 1
        self._gives_strings = any(output.elem_type == dtype.STRING for output in model.signature.outputs)
        self._max_wait_s = spec.max_wait_ms / 1000
        plan = {**model.plan.describe(), "max_rows": self._max_rows}
        self._lines = FrontLines(listener, line, messages.hello(model.signature, model.backend_name, plan))

    def serve(self) -> None:
        """Answer until the supervisor says stop or is gone."""
        lines = self._lines
        while not lines.is_stopping:
            lines.listen(self._patience())
            if lines.waiting and self._patience() == 0:
                self._run_next()
        lines.end()

    def _patience(self) -> float | None:
        """How long to listen for more before the next batch: not at all, unless a longest wait was asked for."""
        if not self._lines.waiting:
            return None
        if sum(job.feed.rows for job in self._lines.waiting) >= self._max_rows:
            return 0.0
        return max(0.0, self._lines.waiting[0].run.sent + self._max_wait_s - time.monotonic())

    def _run_next(self) -> None:
        now = time.monotonic()
        if self._lines.waiting[0].run.deadline < now:
            job = self._lines.waiting.popleft()
            job.front.send(messages.failed(job.run.id, DeadlineExceeded("waited for the model beyond its deadline")))
            self._lines.mind(job.front)
            return
        chosen = self._take_batch()
        self._run(chosen)
        for front in {job.front for job in chosen}:
            self._lines.mind(front)

    def _take_batch(self) -> list[Job]:
        jobs = list(self._lines.waiting)
        chosen = batch.choose([job.feed for job in jobs], self._max_rows)
        if chosen[-1] == len(chosen) - 1:  # the oldest ones, as nearly always
            for _ in chosen:
                self._lines.waiting.popleft()
        else:
            taken = set(chosen)
            self._lines.waiting = deque(job for k, job in enumerate(jobs) if k not in taken)
        return [jobs[k] for k in chosen]

    def _run(self, jobs: list[Job]) -> None:
        started = time.monotonic()
        try:
            if jobs[0].feed.kind is None:
                self._check_rows(jobs[0].feed.arrays)
            joined = Arranged(batch.join([job.feed for job in jobs]), jobs[0].run.layout.lods)
            asked = time.monotonic()
            input_ms = (asked - started) * 1000
            outputs = self._model.run(joined)
            model_ms = (time.monotonic() - asked) * 1000
            parts = batch.split(outputs.arrays, [job.feed.rows for job in jobs])
        except Exception as exc:
            if len(jobs) == 1:
                self._fail(jobs[0], exc)
                return
            parts = None  # one of them may be the cause: each gets its own run and its own answer
        if parts is None:
            for job in jobs:
                self._run([job])
            return
        run_ms = (time.monotonic() - started) * 1000
        rows = sum(job.feed.rows for job in jobs)
        for job, arrays in zip(jobs, parts, strict=True):
            wanted = [arrays[k] for k in job.run.outputs]
            lods = {at: outputs.lods[k] for at, k in enumerate(job.run.outputs) if k in outputs.lods}
            timing = ((started - job.run.sent) * 1000, input_ms, run_ms - input_ms - model_ms, run_ms, rows)
            try:
                self._answer(job, wanted, lods, timing)
            except Exception as exc:
                self._fail(job, exc)

    def _check_rows(self, arrays: Sequence[Array]) -> None:
        """Refuse different numbers of rows where a row of the answer is made of one row of each input.

        One row may stand for many; what else a library makes of it, no caller can have meant.
        """
        if self._joins and len({len(array) for array in arrays} - {1}) > 1:
            raise BadInput(f"{self._model.signature.uneven_rows(arrays)}; this model takes one row of each at a time")

    def _fail(self, job: Job, exc: Exception) -> None:
        """There is no answer to a request: say so, whatever the reason."""
        if not isinstance(exc, ServingError):
            logger.error("a request failed", exc_info=exc)
            exc = BackendFailed(f"the engine failed ({type(exc).__name__}); see the log")
        job.front.send(messages.failed(job.run.id, exc))

    def _answer(self, job: Job, arrays: Sequence[Array], lods: dict[int, Lod], timing: messages.Timing) -> None:
        arrays, strings = messages.packed(arrays) if self._gives_strings else (arrays, NO_STRINGS)
        offsets, end = segments.layout(arrays)
        segment = None if job.run.segment == messages.INLINE else job.front.segments[job.run.segment]
        fd = None
        if end <= messages.INLINE_BYTES:
            where, size = messages.INLINE, 0
        elif segment is not None and segments.layout(arrays, job.run.end)[1] <= segment.size:
            where, size = segment.number, segment.size
            offsets, _ = segments.layout(arrays, job.run.end)
            segments.write(segment.memory, arrays, offsets)
        else:
            where, size = messages.ENCLOSED, end
            enclosed = segments.create(0, end)
            segments.write(enclosed.memory, arrays, offsets)
            fd = enclosed.fd
        try:
            job.front.send(messages.done(job.run.id, where, size, timing, arrays, offsets, lods, strings), fd)
        except Exception:
            if fd is not None:
                os.close(fd)
            raise


def main(argv: list[str], model_class: type[Model] = Model) -> int:
    """Load what the supervisor asks for, say so, and serve."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they reach the whole group; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    heap.keep_freed_memory()
    listener, line = (socket.socket(fileno=int(fd)) for fd in argv)
    config = EngineConfig.from_json(line.recv(control.MAX_BYTES))
    spec = config.spec
    log.configure(spec.log_level, f"engine {repository.title_of(spec.folder)}")
    os.nice(spec.nice)
    if spec.handler is not None:
        from paddle_serving_server.engine import handler_process

        return handler_process.run(config, listener, line)
    started = time.monotonic()
    progress.tell(lambda doing: control.send(line, control.Loading(doing)))
    try:
        key = None
        if config.key:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the key and the model
            key = key_from_text(config.key, "the key of the engine")
        is_first = not (config.copy and Path(config.copy).is_dir())
        with taken(config, line) as folder:
            follow = None if config.plan is None else plan.from_json(config.plan)
            model = model_class.load(folder, spec.options, spec.tune_s, key, instances=spec.instances, follow=follow)
            if is_first:  # others come back with what was found to fit
                layout.refuse_misfit(repository.newest(spec.folder, config.skip).folder, model.signature)
            worker = Worker(model, spec, listener, line)
    except Unchanged:
        return 0
    except ServingError as exc:
        control.send(line, control.Failed.because(str(exc)))
        return EXIT_CANNOT_START
    seconds = time.monotonic() - started
    logger.info("%s loaded by %s (%s) in %.1f s", spec.folder, model.plan.candidate, model.plan.why, seconds)
    loaded = control.Loaded(
        backend=model.backend_name,
        seconds=round(seconds, 3),
        instances=model.instances,
        inputs=[asdict(i) for i in model.signature.inputs],
        outputs=[asdict(o) for o in model.signature.outputs],
        plan=asdict(model.plan),
    )
    try:
        control.send(line, loaded)
    except BadPacket as exc:
        control.send(line, control.Failed.because(f"what {spec.folder} takes and gives cannot be said: {exc}"))
        return EXIT_CANNOT_START
    worker.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
