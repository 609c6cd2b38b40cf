"""How TorchServe says things over HTTP: answers, errors with the names of its exceptions, and a request id on each."""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.torchserve import key_file
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.managing import Refusal
from paddle_serving_server.dataplane.torchserve_refused import NO_TOKEN, Refused
from paddle_serving_server.engine.handler_packets import RequestFailed, RequestRefused
from paddle_serving_server.protocols.http import refusal as usual
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue

REQUEST_ID: Final = "x-request-id"
_NOTHING_HERE: Final = "Requested resource is not found, please refer to API document."
_OTHER_METHOD: Final = "Requested method is not allowed, please refer to API document."
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
    return HttpResponse(status, f"{json.dumps(content, indent=2)}\n".encode(), headers=request_id())


def request_id() -> dict[str, str]:
    """The header that every answer has."""
    return {REQUEST_ID: str(uuid.uuid4())}


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
        return error(400, "InvalidKeyException", NO_TOKEN)
    return error(403, _KINDS[403], found.text)


def not_found(catalogue: Catalogue, paths: Sequence[str]) -> HttpResponse | None:
    """See the package `apis`."""
    return error(404, _KINDS[404], _NOTHING_HERE) if is_torchserve(catalogue, {}) else None


def not_allowed(methods: Sequence[str]) -> HttpResponse:
    """See the package `apis`."""
    return error(405, _KINDS[405], _OTHER_METHOD)


def refuse_without_token(catalogue: Catalogue, request: HttpRequest, kind: str = key_file.INFERENCE) -> None:
    """Refuse a caller who has to send a token of a kind, and does not.

    Raises:
        Refused: his is another one, or none, or was valid once.
    """
    rules = catalogue.config.torchserve
    if rules is None or not rules.key_file:
        return
    if not key_file.at(rules.key_file).accepts(kind, request.headers.get("authorization", "")):
        raise Refused(400, "InvalidKeyException", NO_TOKEN)


def no_workflow(name: str) -> Refused:
    """A workflow is not there."""
    return Refused(404, "WorkflowNotFoundException", f"Workflow not found: {name[:128]}")


def is_torchserve(catalogue: Catalogue, names: Mapping[str, str]) -> bool:
    """Whether these paths are there at all."""
    return catalogue.config.torchserve is not None


def operation(identity: str, *query: str) -> Callable[[Catalogue, Mapping[str, str]], Mapping[str, Any]]:
    """For `Route.describe`: the name of an operation in TorchServe's own description, and what its query may say."""
    said = {"operationId": identity, "parameters": [parameter(name, "query") for name in query]}
    return lambda catalogue, names: said


def parameter(name: str, where: str) -> dict[str, Any]:
    """A Parameter Object of OpenAPI."""
    return {"in": where, "name": name, "required": where == "path", "schema": {"type": "string"}}
