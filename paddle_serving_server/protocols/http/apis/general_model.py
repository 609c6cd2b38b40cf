"""`POST /GeneralModelService/inference` with protobuf or JSON, as brpc answered it over HTTP; errors are texts."""

from paddle_serving_client.errors import ServingError
from paddle_serving_client.wire import general_model_json
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane import general_model_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.general_model_calls import FULL_SERVICE, SERVICE, check_names
from paddle_serving_server.protocols.http import body, encoding, variant_headers
from paddle_serving_server.protocols.http import refusal as errors
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

_PROTOBUF = ("application/proto", "application/x-protobuf")


async def _answer(exchange: Exchange) -> HttpResponse:
    plane, call, request = exchange.plane, exchange.call, exchange.request
    check_names(SERVICE, exchange.names["method"])
    raw = await body.beside_the_loop(request, body.plain, request, plane.limits.max_body_bytes)
    variant = variant_headers.wanted(request)
    if request.content_type in _PROTOBUF:
        said = await general_model_calls.answer(plane, call, raw, variant)
        answer = HttpResponse(200, said, request.content_type)
    else:
        wire = await body.beside_the_loop(request, general_model_json.request_from_json, raw)
        response = await general_model_calls.infer(plane, call, wire, variant)
        answer = HttpResponse(200, general_model_json.response_to_json(response))
    headers = variant_headers.answered(call)
    if request.headers.get(timing.ASK) == "1":
        headers[timing.HEADER] = timing.text(call.stages)
    return await encoding.compressed(request, answer._replace(headers=headers))


def refusal(error: ServingError, call: Call) -> HttpResponse:
    """See the package."""
    return errors.response(error, as_text=True)


def _counted_for(catalogue: Catalogue, names: Names) -> str:
    """The server's tensor service; a method that is not there is nobody's call."""
    return catalogue.tensor_service_name if names["method"] in general_model_calls.METHODS else ""


API = "paddle"
ROUTES = tuple(
    Route(
        method="POST",
        template=f"/{service}/{{method}}",
        answer=_answer,
        about="tensors for the server's first service, as protobuf or JSON",
        counted_for=_counted_for,
    )
    for service in (SERVICE, FULL_SERVICE)
)
