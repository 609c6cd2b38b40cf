"""Threads for user code. The event loop hears of the end of each call by one wake-up, and by nothing else.

The executors of the standard library make a second future with a condition of its own for each call, and chain the two.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_Work = tuple["asyncio.Future[Any]", Callable[[], Any]]


class Threads:
    """A number of threads that wait for calls; made and used on one event loop."""

    def __init__(self, count: int, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"{name} {k}", daemon=True) for k in range(count)]
        for thread in self._threads:
            thread.start()

    def run(self, call: Callable[[], _Result]) -> "asyncio.Future[_Result]":
        """Have a call made in the next thread that is free. Who waits no longer for a call that has begun misses it."""
        future: asyncio.Future[_Result] = self._loop.create_future()
        self._queue.put((future, call))
        return future

    def close(self) -> None:
        """Begin no further call."""
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            future, call = work
            if future.cancelled():
                continue
            result: object = None
            error: BaseException | None = None
            try:
                result = call()
            except StopIteration as exc:  # a future cannot carry it
                error = RuntimeError(f"raised {exc!r}")
            except BaseException as exc:  # whatever it is, it belongs to who waits
                error = exc
            try:
                self._loop.call_soon_threadsafe(_tell, future, result, error)
            except RuntimeError:  # the loop has ended
                return
            del work, future, call, result, error  # nothing is kept until the next call


def _tell(future: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
