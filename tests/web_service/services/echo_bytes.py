"""A handler in a file that says nothing of what it takes: a file comes back as it is, with the type of a picture."""

from collections.abc import Sequence
from typing import Any

from paddle_serving_app.handler import HandlerRequest, HandlerResult


def handle(requests: Sequence[HandlerRequest]) -> list[Any]:
    return [_answer(request) for request in requests]


def _answer(request: HandlerRequest) -> Any:
    (instance,) = request.instances or [{}]
    file = instance.get("image")
    if not isinstance(file, bytes | bytearray):
        return {"keys": list(instance)}
    is_picture = bytes(file[:4]) == b"\x89PNG"
    return HandlerResult(value=bytes(file), content_type="image/png" if is_picture else "text/plain; charset=utf-8")
