"""`POST /services/NAME/reload` and `/services/NAME/variants`: what changes a running server."""

import orjson

from paddle_serving_client.errors import BadConfig, ErrNo
from paddle_serving_server.config.listening import SERVER, Role
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.refusal import usual
from paddle_serving_server.protocols.http.route import Exchange, Route

_MAX_BODY_BYTES = 64 << 10


async def _reload(exchange: Exchange) -> HttpResponse:
    """Load the models of a service anew; the answer comes when they are live, or were refused."""
    catalogue = exchange.catalogue
    name = exchange.names["name"] if catalogue.has(exchange.names["name"]) else catalogue[exchange.names["name"]].name
    allows_change = exchange.request.query.get("allow_signature_change", ["false"])[-1].lower() in ("true", "1")
    outcome = await catalogue.registry.reload(name, allows_change)
    models = outcome.reports
    refused = [str(model["reason"]) for model in models if model["state"] == "refused"]
    refused += [outcome.refusal] if outcome.refusal else []
    if refused:
        said = {"err_no": int(ErrNo.INIT), "err_msg": "; ".join(refused), "service": name, "models": models}
        return HttpResponse(409, orjson.dumps(said))
    return HttpResponse(200, orjson.dumps({"service": name, "models": models}))


async def _variants(exchange: Exchange) -> HttpResponse:
    """Change the weights of variants by `{"main": 90, "b": 10}`; without a body, show them."""
    catalogue, request = exchange.catalogue, exchange.request
    name = catalogue[exchange.names["name"]].name
    if name not in catalogue.variants:
        return _refused(409, f"service {name!r} has no variants (--variant)")
    if request.body:
        try:
            said = orjson.loads(body.plain(request, _MAX_BODY_BYTES))
        except orjson.JSONDecodeError as exc:
            return _refused(400, f'expected weights by variant as JSON, as {{"main": 90, "b": 10}}: {exc}')
        if not isinstance(said, dict):
            return _refused(400, f'expected weights by variant, as {{"main": 90, "b": 10}}, got {type(said).__name__}')
        try:
            catalogue.fronts.set_weights(name, catalogue.variants[name], said)
        except BadConfig as exc:
            return _refused(400, str(exc))
    return HttpResponse(200, orjson.dumps({"service": name, "weights": catalogue.variants[name].weights}))


def _refused(status: int, reason: str) -> HttpResponse:
    return HttpResponse(status, orjson.dumps({"err_no": int(ErrNo.CONFIG), "err_msg": reason}))


API = SERVER
refusal = usual
ROUTES = (
    Route(
        method="POST",
        template="/services/{name}/reload",
        answer=_reload,
        about="load the models of a service anew; the answer comes when they are live or refused",
        role=Role.MANAGEMENT,
    ),
    Route(
        method="POST",
        template="/services/{name}/variants",
        answer=_variants,
        about="the weights of an A/B test, changed by a body that has them",
        role=Role.MANAGEMENT,
    ),
)
