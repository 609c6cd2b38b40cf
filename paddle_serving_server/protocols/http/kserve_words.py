"""How KServe v2 says things over HTTP, as Triton does: its statuses, and what the paths of a model have in common."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from paddle_serving_client import errors
from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.values import ServerConfig
from paddle_serving_server.dataplane import kserve_repository, managing
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.engine import handler_packets
from paddle_serving_server.protocols.http import refusal as errors_in_http
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

API: Final = "kserve"
PREFIX: Final = "/v2"
_STATUS: Final[tuple[tuple[type[ServingError], int], ...]] = (
    (errors.NoService, 404),
    (errors.NoMethod, 501),
    (errors.UnsupportedMedia, 501),
    (errors.BadInput, 400),
    (errors.BadPacket, 500),
    (errors.Busy, 503),
    (errors.Stopping, 503),
    (errors.DeadlineExceeded, 503),
    (errors.EngineLost, 503),
)
"""Those of Triton, which says 500 to what it cannot parse; all others are 500, too."""


def refusal(error: ServingError, call: Call) -> HttpResponse:
    """See the package. The number in a header tells those 503 apart, for callers who know it."""
    of_handler = handler_packets.status_of(error)
    status = of_handler or next((status for cls, status in _STATUS if isinstance(error, cls)), 500)
    headers = errors_in_http.response(error, as_text=True).headers
    return HttpResponse(status, orjson.dumps({"error": str(error)}), headers=headers)


def is_open(config: ServerConfig) -> bool:
    """See the package."""
    return kserve_repository.is_open(config)


def forbidden(found: managing.Refusal) -> HttpResponse:
    """See the package."""
    said = orjson.dumps({"error": found.text})
    if found.lacks_token:
        return HttpResponse(401, said, headers={"WWW-Authenticate": "Bearer"})
    return HttpResponse(403, said)


def _counted_for(catalogue: Catalogue, names: Names) -> str:
    return names["name"]


def _nobody(catalogue: Catalogue, names: Names) -> str:
    return ""


def _nothing_more(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    return {}


def _has_number(catalogue: Catalogue, names: Names) -> bool:
    """Whether the version in a path, where there is one, is a number."""
    return names.get("version", "1").isdecimal()


def of_models(
    method: str,
    last: str,
    answer: Handler,
    about: str,
    described: Callable[[Catalogue, Names], Mapping[str, Any]] | None = None,
) -> list[Route]:
    """The routes of one thing that models can be asked, without and with a version.

    Args:
        method: GET or POST.
        last: stands behind the model.
        answer: to the request.
        about: one line for people.
        described: what OpenAPI is told of it; None: it is no inference, and not counted as one.
    """
    return [
        Route(
            method=method,
            template=f"{PREFIX}/models/{{name}}{version}{last}",
            answer=answer,
            about=about,
            exists=_has_number,
            counted_for=_nobody if described is None else _counted_for,
            describe=described or _nothing_more,
        )
        for version in ("", "/versions/{version}")
    ]
