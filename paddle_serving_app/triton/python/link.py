"""What ties a request that a model.py works on to its caller: the answers it sends, whether anybody waits for them."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from paddle_serving_app.handler import Failure, HandlerRequest
from paddle_serving_app.triton.backend_utils.messages import InferenceResponse

_MOST_WAITING: Final = 1024
"""Answers that nobody has taken yet; who sends more waits."""


class Link:
    """See `backend_utils.host.Link`, and `handler.Stream`: the answers that a model sends are one result in parts."""

    def __init__(self, request: HandlerRequest, as_result: Callable[[InferenceResponse], Any]) -> None:
        """`as_result` makes of an answer what a handler gives, or a `Failure`."""
        self._request = request
        self._as_result = as_result
        self._answers: deque[InferenceResponse] = deque()
        self._changed = threading.Condition()
        self._is_final = False
        self._is_closed = False
        self._failure: Failure | None = None
        self._wakes: Callable[[], None] = lambda: None

    # -- the model's end, any thread

    def send(self, response: InferenceResponse | None, is_final: bool) -> None:
        """See `backend_utils.host.Link.send`; waits while many answers were not taken."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._answers) < _MOST_WAITING or self.is_cancelled())
            if response is not None and not self.is_cancelled():
                self._answers.append(response)
            self._is_final = self._is_final or is_final
            self._changed.notify_all()
        self._wakes()

    def is_cancelled(self) -> bool:
        """See `backend_utils.host.Link.is_cancelled`."""
        return self._is_closed or self._request.is_cancelled()

    def fail(self, failure: Failure) -> None:
        """There is no answer any more, for this reason."""
        with self._changed:
            self._failure = failure if not self._is_final else self._failure
            self._is_final = True
            self._changed.notify_all()
        self._wakes()

    # -- the server's end

    def only(self) -> Any:
        """The one answer of a model that is not decoupled; waits for it until the request's deadline."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_final or self.is_cancelled(), self._left_s())
            if len(self._answers) == 1 and self._is_final:
                return self._as_result(self._answers.pop())
            count = len(self._answers)
        return Failure(f"the model sent {count} answers, expected one and that it is the last")

    def take(self) -> tuple[bool, Any]:
        """See `handler.Stream.take`."""
        with self._changed:
            if not self._answers:
                if self._failure is not None:
                    raise self._failure
                if self._is_final:
                    raise StopIteration
                return False, None
            answer = self._answers.popleft()
            self._changed.notify_all()
        result = self._as_result(answer)
        if isinstance(result, Failure):
            raise result
        return True, result

    def on_part(self, wake: Callable[[], None]) -> None:
        """See `handler.Stream.on_part`."""
        self._wakes = wake
        wake()

    def close(self) -> None:
        """See `handler.Stream.close`."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _left_s(self) -> float | None:
        left = self._request.deadline - time.monotonic()
        return None if left == float("inf") else max(0.0, left)
