"""The process of one worker of an op: runs the service file, takes its op out, and serves batches until told no more.

python -m paddle_serving_server.graph.pipeline.process_worker FD     (started by a front)
"""

import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from paddle_serving_client.errors import BadConfig, DeadlineExceeded, ServingError
from paddle_serving_server.engine import values
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode, OpFailed
from paddle_serving_server.graph.pipeline.process import receive, send, send_raw
from paddle_serving_server.graph.pipeline.step import Job, Outcome, is_full, run_batch
from paddle_serving_server.process import forks, log
from paddle_serving_server.user_code import hosting

logger = logging.getLogger(__name__)

EXIT_STUCK: Final = 75


def main(fd: int) -> None:
    """Serve until the front closes the line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they reach the whole group; the front decides
        signal.signal(number, signal.SIG_IGN)
    forks.take_from_children(())
    line = socket.socket(fileno=fd)
    threading.Thread(target=_end_with, args=(line,), daemon=True).start()
    told = receive(line)
    log.configure("INFO", f"op {told['op']}")

    def model(feed: Mapping[str, Any], log_id: int) -> Mapping[str, Any]:
        send(line, {"model": [dict(feed), log_id]})
        said = receive(line)
        if "error" in said:
            number, text = said["error"]
            raise _failed(number, f"op {told['op']!r}: {text}")
        outputs: Mapping[str, Any] = said["outputs"]
        return outputs

    try:
        pipeline = _pipeline(told)
        op, settings = pipeline.op(told["op"]), pipeline.settings(told["op"])
        op.concurrency_idx = told["number"]
        op.use_model(model if told["has_model"] else None)
        op.init_op()
    except BaseException as exc:
        logger.exception("the op cannot be made")
        send(line, {"failed": str(exc) if isinstance(exc, ServingError) else f"{type(exc).__name__}: {exc}"})
        return
    send(line, {"ready": True})
    left: list[threading.Thread] = []
    while True:
        jobs = [Job(*job) for job in receive(line)["run"]]
        send_raw(line, _encoded(run_batch(op, settings, jobs, left)))
        if is_full(left):
            logger.error("%d calls of process hang; another process takes this place", len(left))
            os._exit(EXIT_STUCK)


def _end_with(line: socket.socket) -> None:
    """When the front is gone nobody waits for an answer: end, whatever user code is doing."""
    poll = select.poll()
    poll.register(line, select.POLLRDHUP)
    poll.poll()
    os._exit(0)


def _pipeline(told: Mapping[str, Any]) -> Any:
    for service in hosting.services_of(told["file"], told["argv"]):
        pipeline = getattr(service, "pipeline", None)
        if service.name == told["service"] and pipeline is not None:
            return pipeline
    raise BadConfig(f"{told['file']} makes no pipeline {told['service']!r} in a second process")


def _failed(number: int, text: str) -> ServingError:
    """What the model of the front raised; a timeout is one here too, so that it is tried again."""
    return DeadlineExceeded(text) if number == ChannelDataErrcode.TIMEOUT else OpFailed(number, text)


def _encoded(outcomes: list[Outcome]) -> bytes:
    """The outcomes for the front; one that cannot travel becomes an error of its own."""
    rows = []
    for outcome in outcomes:
        try:
            values.encode(outcome.data)
            rows.append([outcome.data, outcome.error, outcome.info, outcome.jumps, list(outcome.times)])
        except ServingError as exc:
            rows.append(
                [None, int(ChannelDataErrcode.TYPE_ERROR), f"postprocess gave what cannot travel: {exc}", False, []]
            )
    return values.encode({"done": rows})


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]))
    except ConnectionResetError:
        sys.exit(0)
