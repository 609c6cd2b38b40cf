"""What fronts and the engines of handlers tell each other, as values: requests, results, parts of streams."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from paddle_serving_app.handler import Failure, HandlerRequest, HandlerResult
from paddle_serving_client.errors import BackendFailed, BadInput, ServingError
from paddle_serving_client.message import Measured, Request

CALL: Final = (0,)
"""In the place of the outputs that are asked for: it is a request ..."""
PART: Final = (1,)
"""... or asks for a part of a stream."""


class RequestRefused(BadInput):
    """A handler does not take a request."""

    status = 400
    """What the handler says that an answer over HTTP should have."""


class RequestFailed(BackendFailed):
    """A handler has no result for a request."""

    status = 500
    """See `RequestRefused`."""


def request(asked: Request) -> dict[str, Any]:
    """A request on its way to a handler."""
    has_instances = asked.tensors is None and asked.raw is None
    return {
        "tensors": None if asked.tensors is None else dict(asked.tensors),
        "instances": [dict(instance) for instance in asked.instances] if has_instances else None,
        "raw": asked.raw,
        "fetch": list(asked.fetch),
        "parameters": dict(asked.parameters),
        "headers": dict(asked.headers),
        "id": asked.id,
    }


def read_request(call: Mapping[str, Any], deadline: float, is_cancelled: Callable[[], bool]) -> HandlerRequest:
    """The same, in the engine."""
    return HandlerRequest(**call, deadline=deadline, is_cancelled=is_cancelled)


def part_asked(stream: int, closes: bool = False) -> dict[str, Any]:
    """Ask for the next part of a stream, or that it ends."""
    return {"stream": stream, "closes": closes}


def stream_begun(number: int) -> dict[str, Any]:
    """The result comes in parts."""
    return {"stream": number}


END: Final[Mapping[str, Any]] = {"end": True}
"""There are no more parts."""


def result(given: Any, measured: Sequence[Measured] = ()) -> dict[str, Any]:
    """A result, or a part of one, on its way back, and what was counted meanwhile."""
    more = {"measured": [[*one[:4], dict(one.labels)] for one in measured]} if measured else {}
    if not isinstance(given, HandlerResult):
        return {"value": given, **more}
    about = {"status": given.status, "headers": dict(given.headers), "content_type": given.content_type}
    return {"value": given.value, **about, **more}


def take_measured(packet: dict[str, Any]) -> tuple[Measured, ...]:
    """What was counted, out of a result."""
    return tuple(Measured(*one) for one in packet.pop("measured", ()))


def failure(given: Failure) -> dict[str, Any]:
    """There is no result."""
    return {"failure": [str(given), given.status, given.is_callers]}


def read_result(packet: Mapping[str, Any]) -> HandlerResult:
    """The result in the front.

    Raises:
        RequestRefused, RequestFailed: there is none.
    """
    if "failure" in packet:
        text, status, is_callers = packet["failure"]
        error = RequestRefused(text) if is_callers else RequestFailed(text)
        error.status = status or error.status
        raise error
    return HandlerResult(**packet)


def status_of(error: ServingError) -> int | None:
    """What a handler says that the answer over HTTP should have; None: it is no error of a handler."""
    return error.status if isinstance(error, RequestRefused | RequestFailed) else None


def is_all_arrays(value: object) -> bool:
    """Whether a result is outputs by name."""
    return isinstance(value, Mapping) and bool(value) and all(isinstance(part, np.ndarray) for part in value.values())
