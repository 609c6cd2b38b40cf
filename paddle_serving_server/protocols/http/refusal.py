"""What an error looks like in HTTP: its status, and a body that the caller's protocol knows."""

import math

import orjson

from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http.message import HttpResponse

_STATUS: tuple[tuple[type[ServingError], int, RpcError], ...] = (
    (errors.Conflict, 409, RpcError.BAD_REQUEST),
    (errors.NoService, 404, RpcError.NO_SERVICE),
    (errors.NoMethod, 404, RpcError.NO_METHOD),
    (errors.TooLarge, 413, RpcError.BAD_REQUEST),
    (errors.UnsupportedMedia, 415, RpcError.BAD_REQUEST),
    (errors.BadInput, 400, RpcError.BAD_REQUEST),
    (errors.BadPacket, 400, RpcError.BAD_REQUEST),
    (errors.Busy, 503, RpcError.LIMIT),
    (errors.Stopping, 503, RpcError.LOGGED_OFF),
    (errors.DeadlineExceeded, 504, RpcError.TIMED_OUT),
    (errors.EngineLost, 503, RpcError.OP_FAILED),
    (errors.BackendFailed, 500, RpcError.OP_FAILED),
)


def response(error: ServingError, as_text: bool = False) -> HttpResponse:
    """An error as the caller's protocol expects it: brpc's text, or the JSON of a service.

    "result" carries the text as well, for scripts of Paddle Serving that look for it there.
    """
    status, code = next(((s, c) for cls, s, c in _STATUS if isinstance(error, cls)), (500, RpcError.INTERNAL))
    headers = {"Retry-After": _retry_after(error)} if status == 503 else {}
    if as_text:
        return HttpResponse(status, str(error).encode(), "text/plain", headers | {"x-bd-error-code": str(int(code))})
    said = {"err_no": int(error.err_no), "err_msg": str(error), "result": str(error)}
    return HttpResponse(status, orjson.dumps(said), headers=headers)


def usual(error: ServingError, call: Call) -> HttpResponse:
    """The `refusal` of an API whose callers take the JSON of a service."""
    return response(error)


def _retry_after(error: ServingError) -> str:
    """Whole seconds, at least one."""
    return str(max(1, math.ceil(error.retry_after_s))) if isinstance(error, errors.Busy) else "1"
