"""How user code in an engine asks other services: its question goes to a front, and the answer comes back."""

import itertools
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Final

from paddle_serving_client.errors import DeadlineExceeded, EngineLost, Unreachable
from paddle_serving_server.engine import messages, values
from paddle_serving_server.engine.front_line import FrontLine
from paddle_serving_server.engine.handler_lines import HandlerLines
from paddle_serving_server.engine.questions import carrier, error_of, received

_LONGEST_S: Final = 60.0
"""Without a deadline of its own, and where no request has one."""


class Asker:
    """See `handler.Ask`; for any thread."""

    def __init__(self) -> None:
        self._lines: HandlerLines | None = None
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[FrontLine, Future[Any]]] = {}
        self._lock = threading.Lock()

    def attach(self, lines: HandlerLines) -> None:
        """Ask on these."""
        self._lines = lines
        lines.on_told, lines.on_gone = self._told, self._gone

    def __call__(self, service: str, version: str = "", **call: Any) -> Any:
        """See `handler.Ask`."""
        stands_still = threading.current_thread() is threading.main_thread()  # which answers requests
        future = self._begin(service, version, call, stands_still)
        try:
            return future.result(call.get("timeout_s") or self._time_left())
        except TimeoutError as exc:
            raise DeadlineExceeded(f"service {service!r} did not answer in time") from exc

    def begin(self, service: str, version: str = "", **call: Any) -> "Future[Any]":
        """As a call, without waiting for the answer.

        Raises:
            Unreachable: no front is there to ask.
        """
        return self._begin(service, version, call, stands_still=False)

    def _begin(self, service: str, version: str, call: Mapping[str, Any], stands_still: bool) -> "Future[Any]":
        lines = self._lines
        current = [] if lines is None else list(lines.current)
        front = current[0].front if current else next(iter(lines.fronts if lines else ()), None)
        if lines is None or front is None:
            raise Unreachable(f"service {service!r} cannot be asked: no front is there")
        number, future = next(self._numbers), Future[Any]()
        with self._lock:
            self._open[number] = front, future
        of = current[0].run.id if current else 0
        question = {**call, "for": of, "stands_still": stands_still, "service": service, "version": version}
        packet, fd = carrier(messages.ASK, number, values.to_arrays(question))
        lines.post(front, packet, fd)
        return future

    def _time_left(self) -> float:
        current = self._lines.current if self._lines is not None else ()
        return max(0.0, current[0].run.deadline - time.monotonic()) if current else _LONGEST_S

    def _told(self, number: int, message: bytes, fds: list[int]) -> None:
        with self._lock:
            _, future = self._open.pop(number, (None, None))
        if future is None:
            for fd in fds:
                os.close(fd)
            return
        try:
            answer = values.of_arrays(received(message, fds))
        except Exception as exc:
            future.set_exception(exc)
            return
        if "error" in answer:
            future.set_exception(error_of(answer["error"]))
        else:
            future.set_result(answer["value"])

    def _gone(self, front: FrontLine) -> None:
        with self._lock:
            lost = [number for number, (its, _) in self._open.items() if its is front]
            futures = [self._open.pop(number)[1] for number in lost]
        for future in futures:
            future.set_exception(EngineLost("the front that was asked is gone"))
