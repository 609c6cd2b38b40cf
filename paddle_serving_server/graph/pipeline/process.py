"""An op's worker as a process of its own: the front's end of the line. The other end: `process_worker`.

    front -> process   {"run": [[inputs, data_id, log_id], ...]}, {"outputs": ...} or {"error": [number, text]}
    process -> front   {"ready": true} or {"failed": text}, {"model": [feed, log_id]}, {"done": [outcome, ...]}

A process that dies takes the requests it had with it, and nothing else: the next batch finds a new one.
"""

import logging
import math
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from paddle_serving_client.errors import BadModel, EngineLost, ErrNo, ServingError
from paddle_serving_server.engine import values
from paddle_serving_server.graph.pipeline.model import BlockingModel
from paddle_serving_server.graph.pipeline.step import Job, Outcome

logger = logging.getLogger(__name__)

START_S: Final = 120.0
"""Longest time for the service file and `init_op`."""
_GRACE_S: Final = 2.0
"""How much longer than its requests a process may work before it counts as hung."""
_HEAD: Final = struct.Struct("<Q")
_MAX_BYTES: Final = 1 << 34


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a service is made: its file, and what that finds in `sys.argv`."""

    file: str
    argv: tuple[str, ...] = ()


class ProcessRunner:
    """One worker process; used by one thread."""

    def __init__(self, origin: Origin, service: str, op: str, number: int, model: BlockingModel | None) -> None:
        self._told = {
            "file": origin.file,
            "argv": list(origin.argv),
            "service": service,
            "op": op,
            "number": number,
            "has_model": model is not None,
        }
        self._op = op
        self._model = model
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def start(self) -> None:
        """Start the process, and wait until `init_op` is done.

        Raises:
            BadModel: it is not ready in time, or says why it cannot be.
        """
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "paddle_serving_server.graph.pipeline.process_worker", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        self._line = ours
        try:
            ours.settimeout(START_S)
            send(ours, self._told)
            said = receive(ours)
        except OSError as exc:
            raise BadModel(f"its process was not ready: {self._ended() or exc}") from exc
        if "failed" in said:
            self._ended()
            raise BadModel(said["failed"])

    def run(self, jobs: Sequence[Job], deadline: float) -> list[Outcome]:
        """See `workers.Runner.run`."""
        if self._process is None:
            self.start()
        assert self._line is not None
        if self._model is not None:
            self._model.deadline = deadline
        message = values.encode({"run": [[job.inputs, job.data_id, job.log_id] for job in jobs]})
        try:
            self._line.settimeout(None if deadline == math.inf else max(0.0, deadline - time.monotonic()) + _GRACE_S)
            send_raw(self._line, message)
            while "model" in (said := receive(self._line)):
                send(self._line, self._ask(*said["model"]))
        except OSError as exc:
            reason = "it took too long" if isinstance(exc, TimeoutError) else ""
            ended = self._ended()
            logger.error("the process of op %s ended (%s); a new one is started", self._op, reason or ended)
            raise EngineLost(f"its process ended ({reason or ended}); a new one is started") from exc
        return [Outcome(data, error, info, jumps, tuple(times)) for data, error, info, jumps, times in said["done"]]

    @property
    def is_stuck(self) -> bool:
        """See `workers.Runner.is_stuck`: a process that hangs is ended, and another takes its place."""
        return False

    @property
    def keeps_time(self) -> bool:
        """See `workers.Runner.keeps_time`."""
        return True

    def close(self) -> None:
        """See `workers.Runner.close`."""
        if self._process is not None:
            self._ended()

    def _ask(self, feed: dict[str, Any], log_id: int) -> dict[str, Any]:
        assert self._model is not None
        try:
            return {"outputs": dict(self._model(feed, log_id))}
        except ServingError as exc:
            return {"error": [getattr(exc, "number", int(exc.err_no)), str(exc)]}
        except Exception:
            logger.exception("the model of op %s failed", self._op)
            return {"error": [int(ErrNo.BACKEND), "the model failed; see the log"]}

    def _ended(self) -> str:
        """Make an end of the process; how it ended."""
        assert self._process is not None
        assert self._line is not None
        self._line.close()
        try:
            status = self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process = self._line = None
        return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def send(line: socket.socket, message: object) -> None:
    """Send one message; raises OSError when nobody is there."""
    send_raw(line, values.encode(message))


def send_raw(line: socket.socket, data: bytes) -> None:
    """Send one encoded message."""
    line.sendall(_HEAD.pack(len(data)))
    line.sendall(data)


def receive(line: socket.socket) -> dict[str, Any]:
    """Wait for one message; raises OSError when nobody is there."""
    (size,) = _HEAD.unpack(_exactly(line, _HEAD.size))
    if size > _MAX_BYTES:
        raise OSError("a message that cannot be")
    said = values.decode(_exactly(line, size))
    if not isinstance(said, dict):
        raise OSError("a message that is none")
    return said


def _exactly(line: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    at = 0
    while at < size:
        came = line.recv_into(view[at:])
        if came == 0:
            raise ConnectionResetError("the other end is closed")
        at += came
    return data
