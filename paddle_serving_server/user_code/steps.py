"""The steps of a user's service, run in threads: timed, answered for by the deadline, their errors in our terms."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from paddle_serving_client.errors import BackendFailed, ServingError
from paddle_serving_server.user_code.admission import Mean
from paddle_serving_server.user_code.threads import Raised, Threads

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Steps:
    """Those of one service. Everything but the steps themselves happens on the event loop."""

    def __init__(self, service: str, threads: Threads, names: Sequence[str]) -> None:
        """`names`: the steps of a request, in their order."""
        self._threads = threads
        self._took = {name: Mean() for name in names}
        self._first = names[0]
        self._titles = {name: f"{name} of service {service!r}" for name in names}

    def expected_s(self) -> tuple[float, float]:
        """How long one more request would wait for a thread, and its steps then take, in seconds."""
        return self._threads.wait_s, self._whole_s()

    async def run(self, name: str, call: Callable[[], _Result], deadline: float) -> _Result:
        """Run a step.

        Raises:
            ServingError: raised by the step: that is how it speaks to its caller.
            BackendFailed: it raised anything else. That is a fault of the step and not of the caller, who is told no
                more than its kind; the whole of it is in the log.
            DeadlineExceeded: it did not begin, or did not return, in time.
        """
        took, is_begun, title = self._took[name], name != self._first, self._titles[name]
        expected_s = took.s if is_begun else self._whole_s()
        try:
            return await self._threads.run(call, deadline, expected_s, is_begun, title, took.add)
        except ServingError:
            raise
        except Exception as exc:
            logger.exception("%s failed", title)
            what = str(exc) if isinstance(exc, Raised) else type(exc).__name__
            raise BackendFailed(f"{title} failed ({what}); see the log") from exc

    def _whole_s(self) -> float:
        return sum([mean.s for mean in self._took.values()])
