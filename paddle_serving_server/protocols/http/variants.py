"""A/B tests over HTTP: who asks for a variant, who is told which one answered, and who changes the weights."""

import orjson

from paddle_serving_client.errors import BadConfig, BadInput, ErrNo
from paddle_serving_server.engine import choice
from paddle_serving_server.engine.choice import Choice
from paddle_serving_server.protocols.http import body
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services.catalogue import Catalogue

_MAX_BODY_BYTES = 64 << 10
_TAG = "x-variant"
_KEY = "x-variant-key"


def wanted(catalogue: Catalogue, request: HttpRequest, service: str) -> Choice | None:
    """Which variant a request wants, from its headers; None where the service has none.

    Raises:
        BadInput: it asks for one where there are none.
    """
    tag = request.headers.get(_TAG, "")
    if service in catalogue.variants:
        return choice.begin(tag, request.headers.get(_KEY, ""))
    if tag:
        raise BadInput(f"service {service!r} has no variants; leave the header X-Variant out")
    return None


def headers(asked: Choice | None) -> dict[str, str]:
    """Who answered."""
    return {"X-Variant": asked.answered} if asked is not None and asked.answered else {}


async def answer(catalogue: Catalogue, request: HttpRequest, name: str) -> HttpResponse:
    """`POST /services/NAME/variants` with `{"main": 90, "b": 10}`: change the weights; without a body, show them."""
    if name not in catalogue.variants or catalogue.set_weights is None:
        return _refused(409, f"service {name!r} has no variants (--variant)")
    if request.body:
        try:
            said = orjson.loads(body.plain(request, _MAX_BODY_BYTES))
        except orjson.JSONDecodeError as exc:
            return _refused(400, f'expected weights by variant as JSON, as {{"main": 90, "b": 10}}: {exc}')
        if not isinstance(said, dict):
            return _refused(400, f'expected weights by variant, as {{"main": 90, "b": 10}}, got {type(said).__name__}')
        try:
            catalogue.set_weights(name, said)
        except BadConfig as exc:
            return _refused(400, str(exc))
    weights = catalogue.variants[name].weights
    return HttpResponse(200, orjson.dumps({"service": name, "weights": weights}))


def _refused(status: int, reason: str) -> HttpResponse:
    return HttpResponse(status, orjson.dumps({"err_no": int(ErrNo.CONFIG), "err_msg": reason}))
