"""What the runs of one request have in common, handed from the service to its engines."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias

from paddle_serving_client.message import Request

Ask: TypeAlias = Callable[[Mapping[str, Any], "Context"], Awaitable[Any]]
"""Answers a question of user code: a service's name, and what it is given, for the request of which this is the
context."""


@dataclass(slots=True, eq=False)
class Context:
    """One request's. As a context manager it lets go, at its end, of the versions that were held for the request."""

    deadline: float = math.inf
    """On the clock of `time.monotonic`, in seconds."""
    variant: str = ""
    """The variant asked for; empty: whichever the weights give."""
    variant_key: str = ""
    """Requests with the same key get the same variant."""
    log_id: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the request, by the names of its protocol."""
    id: str = ""
    """As the caller calls the request."""
    answered_by: str = ""
    """The variant that was chosen; once it is, all runs of the request stay with it."""
    stays: bool = False
    """Whether further runs go to the instance that ran the first: it knows what was begun."""
    instance: Any = None
    """That instance."""
    ask: Ask | None = None
    """Answers what user code asks while it works on this; None: whoever answers all other questions."""
    askers: tuple[Any, ...] = ()
    """Engine processes that do nothing until this is answered, so that none of them can answer it."""
    rows: int = 0
    """How many rows are asked for, where the tensors that an engine gets do not say it; 0: they do."""
    goes_on: bool = False
    """Whether a further run is one more part of the answer to the same call."""
    _held: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request) -> "Context":
        """Of a request that begins."""
        return cls(
            request.deadline,
            request.variant,
            request.variant_key,
            request.log_id,
            request.parameters,
            request.id,
            askers=tuple(request.askers),
        )

    def on_end(self, release: Callable[[], None]) -> None:
        """Call this when the request is over."""
        self._held.append(release)

    def __enter__(self) -> "Context":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        for release in self._held:
            release()
        self._held.clear()
