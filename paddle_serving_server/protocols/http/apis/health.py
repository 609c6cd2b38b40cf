"""`/health`, `/live` and `/ready`, as probes ask for them."""

from paddle_serving_server.config.listening import SERVER
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Route


async def _ready(exchange: Exchange) -> HttpResponse:
    catalogue = exchange.catalogue
    if catalogue.is_ready:
        return HttpResponse(200, b"OK", "text/plain")
    words = catalogue.start.words if catalogue.start.is_going else "not ready"
    return HttpResponse(503, words.encode(), "text/plain; charset=utf-8", {"Retry-After": "1"})


async def _live(exchange: Exchange) -> HttpResponse:
    return HttpResponse(200, b"OK", "text/plain")


API = SERVER
refusal = usual
ROUTES = (
    Route(method="GET", template="/health", answer=_ready, about="OK, if every model is loaded", while_starting=True),
    Route(method="GET", template="/ready", answer=_ready, about="as /health", while_starting=True),
    Route(
        method="GET",
        template="/live",
        answer=_live,
        about="OK, as long as the process answers",
        while_starting=True,
    ),
)
