"""What user code in engines asks other services, answered as the calls of any protocol are."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from paddle_serving_client.errors import BadInput
from paddle_serving_client.message import Request, Response
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.engine.context import Context

PROTOCOL: Final = "inside"
"""Calls are counted by it."""
_KNOWN: Final = {"service", "version", "tensors", "instances", "fetch", "parameters", "id", "timeout_s"}


class Asking:
    """See `engine.context.Ask`."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane

    async def __call__(self, question: Mapping[str, Any], context: Context) -> Any:
        """Answer a question: outputs by name, or a result.

        Raises:
            ServingError: whatever is wrong.
        """
        request = _request(question, context)
        call = self._plane.call(PROTOCOL, f"a question for {request.model!r}", time.monotonic())
        call.service = request.model
        call.deadline = min(call.deadline, request.deadline)
        request = replace(request, deadline=call.deadline)
        response = await self._plane.answer(call, self._plane.infer(call, request), lambda answer: 0)
        if response.parts is not None:
            return await _collected(response)
        return _value(response)


def _request(question: Mapping[str, Any], context: Context) -> Request:
    if unknown := question.keys() - _KNOWN:
        raise BadInput(f"a service is asked with {', '.join(sorted(_KNOWN))}; not with {', '.join(unknown)}")
    timeout_s = question.get("timeout_s")
    return Request(
        model=question["service"],
        version=question["version"],
        tensors=question.get("tensors"),
        instances=question.get("instances") or (),
        fetch=tuple(question.get("fetch") or ()),
        parameters=question.get("parameters") or {},
        id=question.get("id") or "",
        log_id=context.log_id,
        askers=context.askers,
        deadline=min(context.deadline, math.inf if timeout_s is None else time.monotonic() + timeout_s),
    )


def _value(response: Response) -> Any:
    return dict(response.tensors) if response.tensors else response.result


async def _collected(response: Response) -> list[Any]:
    assert response.parts is not None
    return [_value(part) async for part in response.parts]
