"""`/v2/models/NAME/generate` and `generate_stream`: text and numbers in one JSON object, and so the answer.

The second gives each part of the answer as a server-sent event as soon as it is made. What goes wrong before the first
is said by the status, and what goes wrong behind it by an event.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire import kserve
from paddle_serving_server.dataplane import kserve_generate, kserve_models
from paddle_serving_server.dataplane.kserve_generate import Generated
from paddle_serving_server.protocols.http import body, encoding, event_stream, examples, kserve_words
from paddle_serving_server.protocols.http.kserve_words import of_models
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Names
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.service import Service

_EVENTS: Final = "text/event-stream; charset=utf-8"


async def _generate(exchange: Exchange) -> HttpResponse:
    said = await kserve_generate.only(exchange.plane, exchange.call, await _begun(exchange))
    return await encoding.compressed(exchange.request, HttpResponse(200, said))


async def _generate_stream(exchange: Exchange) -> HttpResponse:
    plane, call = exchange.plane, exchange.call
    generated = await _begun(exchange)
    if generated.parts is None:
        return HttpResponse(200, event_stream.event(generated.whole), _EVENTS, {"Cache-Control": "no-store"})
    call.goes_on = True
    return await event_stream.answer(plane, call, generated.parts, _EVENTS, generated.write, _written)


async def _begun(exchange: Exchange) -> Generated:
    plane, call, request, names = exchange.plane, exchange.call, exchange.request, exchange.names
    service = kserve_models.find(exchange.catalogue, names["name"], names.get("version", ""), in_parts=True)
    limit = plane.limits.max_body_bytes
    asked = await body.beside_the_loop(request, _read, request, service, call.deadline, limit)
    return await kserve_generate.begin(plane, call, service, *asked)


def _read(request: HttpRequest, service: Service, deadline: float, max_bytes: int) -> Any:
    return kserve_generate.read(service, body.plain(request, max_bytes), deadline)


def _written(error: ServingError) -> bytes:
    return orjson.dumps({"error": str(error)})


def _described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    """The body, with an example that works."""
    service = catalogue[names["name"]]
    inputs = service.signature.inputs
    content: dict[str, Any] = {"schema": {"type": "object"}}
    arrays = examples.small_tensors(inputs) if service.takes_tensors else None  # else steps of a user read what comes
    if arrays is not None and all(kserve.datatype_of(i.elem_type) not in ("FP16", "BF16") for i in inputs):
        content["example"] = {i.alias: examples.byte_lists(arrays[i.alias]) for i in inputs}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


API = kserve_words.API
refusal = kserve_words.refusal
ROUTES: Final = (
    *of_models("POST", "/generate", _generate, "inference, with the inputs as members of an object", _described),
    *of_models("POST", "/generate_stream", _generate_stream, "the same, with the answer as events", _described),
)
