"""`GET /services/NAME/example`: the body of a request that the service answers, of the type that it is sent with."""

from typing import Final

from paddle_serving_client.errors import NoMethod
from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.protocols.http import examples
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def _example(exchange: Exchange) -> HttpResponse:
    service = exchange.catalogue.find(exchange.names["name"])
    example = examples.of(service)
    if example is None:
        raise NoMethod(f"service {service.name!r} says nothing of what it takes, so that there is no example")
    return HttpResponse(200, example.body, example.media_type, _HEADERS)


def _exists(catalogue: Catalogue, names: Names) -> bool:
    return catalogue.has(names["name"])


API = SERVER
refusal = usual
ROUTES = (
    Route(
        method="GET",
        template="/services/{name}/example",
        answer=_example,
        about="the body of a request that the service answers",
        exists=_exists,
    ),
)
