"""How TorchServe says over gRPC what it refuses: a status, and under the text the name of its exception."""

import json
from typing import Final

from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire.grpc import Status
from paddle_serving_server.config.torchserve import key_file
from paddle_serving_server.dataplane import torchserve_models
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.managing import Refusal
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.torchserve_refused import NO_TOKEN, Refused
from paddle_serving_server.engine.handler_packets import RequestFailed, RequestRefused
from paddle_serving_server.services.catalogue import Catalogue

_STATUSES: Final = {
    400: Status.INVALID_ARGUMENT,
    403: Status.PERMISSION_DENIED,
    404: Status.NOT_FOUND,
    405: Status.PERMISSION_DENIED,
    409: Status.ABORTED,
    413: Status.RESOURCE_EXHAUSTED,
    429: Status.RESOURCE_EXHAUSTED,
    503: Status.UNAVAILABLE,
    504: Status.DEADLINE_EXCEEDED,
    507: Status.RESOURCE_EXHAUSTED,
}
"""By the status that the same has over HTTP; all others are INTERNAL."""
_PACKAGES: Final = {
    "ModelNotFoundException": "org.pytorch.serve.archive.model",
    "ModelVersionNotFoundException": "org.pytorch.serve.archive.model",
    "InvalidModelException": "org.pytorch.serve.archive.model",
    "InvalidKeyException": "org.pytorch.serve.archive.model",
    "DownloadArchiveException": "org.pytorch.serve.archive",
}
_OTHERS: Final = "org.pytorch.serve.http"


def status_of(error: ServingError) -> tuple[Status, str] | None:
    """See the package `services`; None: the words of all others are as good."""
    if isinstance(error, Refused):
        is_of_token = error.kind == "InvalidKeyException"
        return Status.PERMISSION_DENIED if is_of_token else _status(error.status), _named(str(error), error.kind)
    if isinstance(error, RequestFailed | RequestRefused):
        return _status(error.status), _named(str(error), "InternalServerException")
    if isinstance(error, errors.Busy):
        return Status.UNAVAILABLE, _named(str(error), "ServiceUnavailableException")
    return None


def forbidden(found: Refusal) -> tuple[Status, str]:
    """See the package `services`."""
    return Status.PERMISSION_DENIED, NO_TOKEN if found.lacks_token else found.text


def pretty(content: object) -> str:
    """JSON as TorchServe writes it into messages."""
    return json.dumps(content, indent=2)


def refuse_without_token(plane: DataPlane, call: Call) -> None:
    """Refuse a caller of predictions who has to send a token, and does not.

    Raises:
        Refused: his is another one, or none, or was valid once.
    """
    rules = torchserve_models.rules_of(plane.catalogue)
    if rules.key_file and not key_file.at(rules.key_file).accepts(key_file.INFERENCE, call.authorization):
        raise Refused(400, "InvalidKeyException", NO_TOKEN)


def is_torchserve(catalogue: Catalogue) -> bool:
    """See the package `services`."""
    return catalogue.config.torchserve is not None


def _status(code: int) -> Status:
    return _STATUSES.get(code, Status.INTERNAL)


def _named(text: str, kind: str) -> str:
    return f"{text}\n{_PACKAGES.get(kind, _OTHERS)}.{kind}"
