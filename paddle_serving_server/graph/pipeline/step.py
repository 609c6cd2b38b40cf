"""A batch of requests through one op: preprocess each, process together, postprocess each. Plain calls, no threads.

Ops are written for different years of Paddle Serving; what a method takes and gives is told by its signature:

    preprocess(input_dicts, data_id, log_id) -> (data, is_skip_process, prod_errcode, prod_errinfo)
    preprocess(input_dicts)                  -> the same, or the data alone           (until 0.3)
    process(feed_batch, typical_logid)       -> (result, err_code, err_info), or the result alone (until 0.6)
    postprocess(input_dicts, fetch_data, data_id, log_id) -> (dict, prod_errcode, prod_errinfo)
    postprocess(input_dicts, fetch_data, log_id)          -> the same                 (until 0.6)
    postprocess(input_dicts, fetch_data)                  -> the same, or the dict alone (until 0.3)
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paddle_serving_client.errors import Busy, DeadlineExceeded, ServingError
from paddle_serving_server.graph.pipeline import merge
from paddle_serving_server.graph.pipeline.config import OpConfig
from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode, CustomException, OpFailed, raised
from paddle_serving_server.graph.pipeline.op import Op, positional

logger = logging.getLogger(__name__)

_MOST_LEFT: Final = 8
"""Calls of `process` that one worker may leave behind because they take too long."""


@dataclass(frozen=True, slots=True)
class Job:
    """One request before one op."""

    inputs: dict[str, dict[str, Any]]
    """By the name of each op in front."""
    data_id: int
    log_id: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an op made of a request."""

    data: dict[str, Any] | None
    error: int = 0
    info: str = ""
    jumps: bool = False
    times: tuple[int, ...] = ()
    """Start and end of preprocess, process and postprocess, in microseconds since 1970."""


@dataclass(slots=True, eq=False)
class _Run:
    """A request on its way through the op."""

    job: Job
    data: Any = None
    skips: bool = False
    failure: OpFailed | None = None
    times: list[int] | None = None


def run_batch(op: Op, config: OpConfig, jobs: Sequence[Job], left: list[threading.Thread]) -> list[Outcome]:
    """Take requests through an op; each gets its own outcome, whatever happens to the others.

    Threads of a `process` that took longer than the op may are added to `left`; see `is_full`.
    """
    runs = [_Run(job, times=[]) for job in jobs]
    for run in runs:
        _timed(run, _preprocess, op)
    waiting = [run for run in runs if run.failure is None and not run.skips]
    began = _now()
    for group in _groups(waiting, config):
        _process_group(op, config, group, left)
    for run in runs:
        assert run.times is not None
        run.times += (began, _now())
        if run.failure is None:
            _timed(run, _postprocess, op)
    return [_outcome(op, run) for run in runs]


def is_full(left: list[threading.Thread]) -> bool:
    """Whether so many threads are left behind that no more may be; forgets those that have ended."""
    left[:] = [thread for thread in left if thread.is_alive()]
    return len(left) >= _MOST_LEFT


def _outcome(op: Op, run: _Run) -> Outcome:
    times = tuple(run.times or ())
    if run.failure is not None:
        return Outcome(None, run.failure.number, str(run.failure), times=times)
    jumps = False
    if op.jump_to_ops:
        try:
            jumps = bool(op.check_jumping(run.data))
        except BaseException as exc:
            failure = _failure(op, run.job.log_id, "check_jumping", exc)
            return Outcome(None, failure.number, str(failure), times=times)
    return Outcome(run.data, jumps=jumps, times=times)


def _timed(run: _Run, step: Callable[[Op, _Run], None], op: Op) -> None:
    assert run.times is not None
    began = _now()
    try:
        step(op, run)
    except OpFailed as exc:
        run.failure = exc
    except BaseException as exc:  # whatever user code raises ends its request and nothing else
        run.failure = _failure(op, run.job.log_id, step.__name__.removeprefix("_"), exc)
    run.times += (began, _now())


def _preprocess(op: Op, run: _Run) -> None:
    job = run.job
    takes = positional(op.preprocess)
    arguments = (job.inputs, job.data_id, job.log_id)
    returned: Any = op.preprocess(*arguments[: max(1, min(3, takes))])  # type: ignore[arg-type]
    if takes < 3 and isinstance(returned, dict):
        returned = (returned, False, None, "")
    run.data, run.skips, code, info = _unpacked(returned, 4)
    _check_product(code, info)
    is_list = isinstance(run.data, list) and all(isinstance(item, dict) for item in run.data)
    if not (isinstance(run.data, dict) or is_list):
        kind = type(run.data).__name__
        reason = f"preprocess should return a dict or a list of dicts, it gave a {kind}"
        raise OpFailed(ChannelDataErrcode.TYPE_ERROR, _said(op, job.log_id, reason, "preprocess"))


def _postprocess(op: Op, run: _Run) -> None:
    job = run.job
    takes = positional(op.postprocess)
    arguments: tuple[Any, ...] = (job.inputs, run.data, job.data_id, job.log_id)
    if takes < 4:
        arguments = (job.inputs, run.data, job.log_id)[: max(2, takes)]
    returned: Any = op.postprocess(*arguments)
    if takes < 3 and isinstance(returned, dict):
        returned = (returned, None, "")
    run.data, code, info = _unpacked(returned, 3)
    _check_product(code, info)
    if not isinstance(run.data, dict):
        reason = f" postprocess should return dict, it gave a {type(run.data).__name__}"
        raise OpFailed(ChannelDataErrcode.TYPE_ERROR, _said(op, job.log_id, reason, "postprocess"))


def _groups(runs: Sequence[_Run], config: OpConfig) -> list[list[_Run]]:
    """Which requests are processed together: those whose feeds can be joined."""
    if config.batch_size == 1:
        return [[run] for run in runs]
    by_kind: dict[object, list[_Run]] = {}
    for run in runs:
        kind = merge.kind_of(run.data)
        by_kind.setdefault(id(run) if kind is None else kind, []).append(run)
    return list(by_kind.values())


def _process_group(op: Op, config: OpConfig, group: Sequence[_Run], left: list[threading.Thread]) -> None:
    """Process feeds together; where that fails or cannot be cut apart, one by one."""
    if len(group) > 1:
        feeds = [run.data for run in group]
        try:
            result = _process(op, config, merge.join(feeds), group[0].job, left)
            parts = merge.split(result, feeds) if isinstance(result, dict) else None
        except OpFailed as exc:
            if exc.number == ChannelDataErrcode.TIMEOUT:
                for run in group:
                    run.failure = exc
                return
            parts = None
        if parts is not None:
            for run, part in zip(group, parts, strict=True):
                run.data = part
            return
        logger.debug("op %s: %d joined requests are run one by one", op.name, len(group))
    for run in group:
        try:
            if isinstance(run.data, list):
                run.data = [_process(op, config, feed, run.job, left) for feed in run.data]
            else:
                run.data = _process(op, config, run.data, run.job, left)
        except OpFailed as exc:
            run.failure = exc


def _process(op: Op, config: OpConfig, feed: dict[str, Any], job: Job, left: list[threading.Thread]) -> Any:
    """One call of `process`, again when it takes too long."""
    for attempt in range(1, config.retry + 1):
        try:
            returned = _in_time(op, config, feed, job, left)
            break
        except DeadlineExceeded as exc:
            if attempt == config.retry:
                text = f"op {op.name!r}: process took too long, {attempt} times: {exc}"
                raise OpFailed(ChannelDataErrcode.TIMEOUT, text) from exc
            logger.warning("op %s: process took too long; it is tried again", op.name)
        except OpFailed:
            raise
        except BaseException as exc:
            raise _failure(op, job.log_id, "process", exc) from exc
    if not isinstance(returned, tuple):
        return returned
    try:
        result, code, info = returned
    except ValueError as exc:
        raise _failure(op, job.log_id, "process", exc) from exc
    if code:
        raise OpFailed(int(code), str(info))
    return result


def _in_time(op: Op, config: OpConfig, feed: dict[str, Any], job: Job, left: list[threading.Thread]) -> Any:
    """Call `process`; one of a user's own is left behind when it takes longer than the op may."""
    arguments: tuple[Any, ...] = ([feed], job.data_id)
    arguments = arguments[: max(1, min(2, positional(op.process)))]
    if not config.timeout_s or type(op).process is Op.process:  # the model keeps the time itself
        return op.process(*arguments)
    if is_full(left):
        raise Busy(f"op {op.name!r}: {len(left)} calls of process hang; try again later")
    answers: list[Any] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            answers.append(op.process(*arguments))
        except BaseException as exc:
            errors.append(exc)

    thread = threading.Thread(target=call, name=f"process of {op.name}", daemon=True)
    thread.start()
    thread.join(config.timeout_s)
    if errors:
        raise errors[0]
    if not answers:
        left.append(thread)
        raise DeadlineExceeded(f"longer than {config.timeout_s * 1000:g} ms")
    return answers[0]


def _unpacked(returned: Any, count: int) -> Sequence[Any]:
    if isinstance(returned, tuple | list) and len(returned) == count:
        return returned
    got = len(returned) if isinstance(returned, tuple | list) else 1
    few = "not enough" if got < count else "too many"
    raise ValueError(f"{few} values to unpack (expected {count}, got {got})")


def _check_product(code: int | None, info: object) -> None:
    if code is not None:
        raise OpFailed(int(code), str(info))


def _failure(op: Op, log_id: int, function: str, exc: BaseException) -> OpFailed:
    """What a caller is told of an exception; the whole of it goes to the log."""
    if isinstance(exc, OpFailed):
        return exc
    if isinstance(exc, CustomException):
        logger.error("op %s, log_id=%d: %d: %s", op.name, log_id, exc.error_code, exc.error_msg)
        text = exc.error_msg if exc.is_send_to_user else f"op {op.name!r} ended the request; see the log"
        return OpFailed(exc.error_code, text)
    if isinstance(exc, ServingError):
        return OpFailed(getattr(exc, "number", int(exc.err_no)), f"op {op.name!r}: {exc}")
    logger.error("%s of op %s failed, log_id=%d", function, op.name, log_id, exc_info=exc)
    message = exc if isinstance(exc, Exception) else f"raised {exc!r}"
    return OpFailed(ChannelDataErrcode.UNKNOW, _said(op, log_id, message, function))


def _said(op: Op, log_id: int, message: object, function: str) -> str:
    return raised(log_id, message, type(op).__name__, function)


def _now() -> int:
    return time.time_ns() // 1000
