"""How TorchServe says things over HTTP: answers, errors with the names of its exceptions, and a request id on each."""

import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.managing import Refusal
from paddle_serving_server.dataplane.torchserve_models import Refused
from paddle_serving_server.engine.handler_packets import RequestFailed, RequestRefused
from paddle_serving_server.protocols.http import refusal as usual
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue

REQUEST_ID: Final = "x-request-id"
_NOTHING_HERE: Final = "Requested resource is not found, please refer to API document."
_OTHER_METHOD: Final = "Requested method is not allowed, please refer to API document."
_NO_TOKEN: Final = "Token Authorization failed. Token either incorrect, expired, or not provided correctly"
_KINDS: Final = {
    400: "BadRequestException",
    403: "ForbiddenException",
    404: "ResourceNotFoundException",
    405: "MethodNotAllowedException",
    409: "ConflictStatusException",
    413: "RequestEntityTooLargeException",
    503: "ServiceUnavailableException",
    504: "ResponseTimeoutException",
    507: "InsufficientMemoryException",
}
_OF_HANDLERS: Final = "InternalServerException"


def answer(status: int, content: object) -> HttpResponse:
    """JSON as TorchServe writes it."""
    headers = {REQUEST_ID: str(uuid.uuid4())}
    return HttpResponse(status, f"{json.dumps(content, indent=2)}\n".encode(), headers=headers)


def status(text: str, code: int = 200) -> HttpResponse:
    """What was done, in words."""
    return answer(code, {"status": text})


def error(code: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """What was not."""
    said = answer(code, {"code": code, "type": kind, "message": text})
    return said._replace(headers={**said.headers, **(headers or {})})


def refusal(raised: ServingError, call: Call) -> HttpResponse:
    """See the package `apis`."""
    if isinstance(raised, Refused):
        headers = {"Retry-After": "1"} if raised.status == 503 else None
        return error(raised.status, raised.kind, str(raised), headers)
    if isinstance(raised, RequestFailed | RequestRefused):
        kind = _KINDS[400] if isinstance(raised, RequestRefused) else _OF_HANDLERS
        return error(raised.status, kind, str(raised))
    said = usual.response(raised)
    code = 400 if isinstance(raised, errors.BadConfig) and not isinstance(raised, errors.Conflict) else said.status
    retry = {name: value for name, value in said.headers.items() if name == "Retry-After"}
    return error(code, _KINDS.get(code, _OF_HANDLERS), str(raised), retry)


def forbidden(found: Refusal) -> HttpResponse:
    """See the package `apis`: a token that is missing is a bad request there."""
    if found.lacks_token:
        return error(400, "InvalidKeyException", _NO_TOKEN)
    return error(403, _KINDS[403], found.text)


def not_found(catalogue: Catalogue, paths: Sequence[str]) -> HttpResponse | None:
    """See the package `apis`."""
    return error(404, _KINDS[404], _NOTHING_HERE) if is_torchserve(catalogue, {}) else None


def not_allowed(methods: Sequence[str]) -> HttpResponse:
    """See the package `apis`."""
    return error(405, _KINDS[405], _OTHER_METHOD)


def refuse_without_token(catalogue: Catalogue, request: HttpRequest) -> None:
    """Refuse a caller of predictions who has to send a token, and does not.

    Raises:
        Refused: his is another one, or none.
    """
    rules = catalogue.config.torchserve
    if rules is None or not rules.inference_token:
        return
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secrets.compare_digest(token.strip().encode(), rules.inference_token.encode()):
        raise Refused(400, "InvalidKeyException", _NO_TOKEN)


def is_torchserve(catalogue: Catalogue, names: Mapping[str, str]) -> bool:
    """Whether these paths are there at all."""
    return catalogue.config.torchserve is not None
