"""`/v1/models/NAME`: TensorFlow Serving's REST API for the services of this server; errors are `{"error": text}`.

GET  /v1/models/NAME[/versions/N|/labels/L][/metadata]
POST /v1/models/NAME[/versions/N|/labels/L]:predict, :classify, :regress
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from paddle_serving_client import errors
from paddle_serving_client.errors import BadInput, ServingError
from paddle_serving_client.message import Response
from paddle_serving_client.wire import tfserving_about, tfserving_examples, tfserving_json
from paddle_serving_client.wire.json_size import Text
from paddle_serving_client.wire.tfserving import ModelInfo, Wanted
from paddle_serving_client.wire.tfserving_json import Prediction
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane import tfserving_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http import body, encoding, examples, openapi
from paddle_serving_server.protocols.http import refusal as errors_in_http
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Handler, Names, Route
from paddle_serving_server.services.catalogue import Catalogue

PREFIX: Final = "/v1"
_MODEL: Final = "/v1/models/{name}"
_PLACES: Final = (_MODEL, _MODEL + "/versions/{version}", _MODEL + "/labels/{label}")
_MAX_VERSION: Final = (1 << 63) - 1
_MAX_DIGITS: Final = 64
"""Of a version, with zeros before it."""
_UNIMPLEMENTED: Final = 501


def _wanted(names: Names) -> Wanted:
    """The model that a path names.

    Raises:
        BadInput: a version that is no number of 64 bits.
    """
    digits = names.get("version")
    if digits is not None and (len(digits) > _MAX_DIGITS or int(digits) > _MAX_VERSION):
        raise BadInput(f"Failed to convert version: {digits[:_MAX_DIGITS]} to numeric.")
    version = None if digits is None else int(digits)
    return Wanted(name=names["name"], version=version, label=names.get("label", ""))


async def _predict(exchange: Exchange) -> HttpResponse:
    return await _inferred(exchange, tfserving_json.read_prediction, _prediction)


async def _classify(exchange: Exchange) -> HttpResponse:
    return await _inferred(exchange, tfserving_examples.read_examples, _classes)


async def _regress(exchange: Exchange) -> HttpResponse:
    return await _inferred(exchange, tfserving_examples.read_examples, _regressions)


def _prediction(asked: Prediction, response: Response) -> bytes:
    return tfserving_json.write_prediction(response.tensors, asked.is_row)


def _classes(asked: Prediction, response: Response) -> bytes:
    return tfserving_examples.write_classes(response.tensors)


def _regressions(asked: Prediction, response: Response) -> bytes:
    return tfserving_examples.write_regressions(response.tensors)


async def _inferred(
    exchange: Exchange,
    read: Callable[[Text, Any], Prediction],
    write: Callable[[Prediction, Response], bytes],
) -> HttpResponse:
    """From a body to an answer; any content type will do, as there."""
    plane, call, request = exchange.plane, exchange.call, exchange.request
    wanted = _wanted(exchange.names)
    model = await tfserving_calls.model(plane, call, wanted)
    raw = await body.beside_the_loop(request, body.plain, request, plane.limits.max_body_bytes)
    asked = await body.beside_the_loop(request, read, raw, model.inputs)
    tfserving_calls.check_signature(asked.signature)
    response = await tfserving_calls.infer(plane, call, wanted, asked.tensors)
    headers = {timing.HEADER: timing.text(call.stages)}
    return await encoding.compressed(request, HttpResponse(200, write(asked, response), headers=headers))


async def _status(exchange: Exchange) -> HttpResponse:
    found = await tfserving_calls.status(exchange.plane, exchange.call, _wanted(exchange.names))
    return HttpResponse(200, tfserving_about.write_status(found))


async def _metadata(exchange: Exchange) -> HttpResponse:
    model: ModelInfo = await tfserving_calls.model(exchange.plane, exchange.call, _wanted(exchange.names))
    return HttpResponse(200, tfserving_about.write_metadata(model))


async def _nameless(exchange: Exchange) -> HttpResponse:
    raise BadInput("Missing model name in request.")


# -- errors


def refusal(error: ServingError, call: Call) -> HttpResponse:
    """See the package."""
    said = errors_in_http.response(error)._replace(body=tfserving_about.write_error(str(error)))
    return said._replace(status=_UNIMPLEMENTED) if isinstance(error, errors.NoMethod) else said


def unanswered(request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """See the package: what is no path of these, with another method too, is a malformed request."""
    words = f"Malformed request: {request.method} {request.path[:256]}"
    return HttpResponse(400, tfserving_about.write_error(words))


# -- routes


def _exists(catalogue: Catalogue, names: Names) -> bool:
    """Names have no colon: what is behind one is a verb, which is asked for by POST; versions are numbers.

    Whether there is a model of that name is said when it is asked, in this API's words.
    """
    version = names.get("version", "0")
    return ":" not in names.get("name", "") + names.get("label", "") and version.isascii() and version.isdecimal()


def _counted_for(catalogue: Catalogue, names: Names) -> str:
    return names["name"]


def _error() -> Mapping[str, Any]:
    schema = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {"description": "what is wrong", "content": {"application/json": {"schema": schema}}}


def _described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    return {"responses": {"200": {"description": "the answer"}, "default": _error()}}


def _predict_described(catalogue: Catalogue, names: Names) -> Mapping[str, Any]:
    """The body in row form, with an item that is answered."""
    inputs = catalogue[names["name"]].signature.inputs
    instance = openapi.instance_schema(inputs)
    instances = {"type": "array", "items": instance, "minItems": 1}
    said: dict[str, Any] = {"schema": {"type": "object", "properties": {"instances": instances}}}
    if not any(i.is_lod for i in inputs) and (example := examples.instances(inputs)) is not None:
        said["example"] = {"instances": example}
    return {"requestBody": {"required": True, "content": {"application/json": said}}, **_described(catalogue, names)}


_VERBS: Final[tuple[tuple[str, Callable[[Exchange], Awaitable[HttpResponse]], str], ...]] = (
    ("predict", _predict, "a prediction, by TensorFlow Serving's protocol"),
    ("classify", _classify, "the score of each class, by TensorFlow Serving's protocol"),
    ("regress", _regress, "a number for each example, by TensorFlow Serving's protocol"),
)
_PAGES: Final[tuple[tuple[str, Handler, str], ...]] = (
    ("", _status, "the version of a model, by TensorFlow Serving's protocol"),
    ("/metadata", _metadata, "the inputs and outputs of a model, by TensorFlow Serving's protocol"),
)
API = "tfserving"
ROUTES = (
    *(
        Route(
            method="POST",
            template=f"{place}:{verb}",
            answer=answer,
            about=about,
            exists=_exists,
            counted_for=_counted_for,
            describe=_predict_described if verb == "predict" else _described,
            is_listed=place == _MODEL,
        )
        for place in _PLACES
        for verb, answer, about in _VERBS
    ),
    *(
        Route(
            method="GET",
            template=place + behind,
            answer=answer,
            about=about,
            exists=_exists,
            describe=_described,
            is_listed=place == _MODEL,
        )
        for place in _PLACES
        for behind, answer, about in _PAGES
    ),
    Route(method="GET", template="/v1/models", answer=_nameless, about="says that a name is missing", is_listed=False),
)
