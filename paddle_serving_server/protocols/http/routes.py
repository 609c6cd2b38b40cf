"""What is found under which path, and what an error looks like in HTTP."""

import math
import time
from collections.abc import Callable
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

import orjson

from paddle_serving_client import __version__, errors
from paddle_serving_client.errors import ErrNo, NoService, ServingError
from paddle_serving_client.message import Request, Response, Stage
from paddle_serving_client.wire import general_model_json
from paddle_serving_server.config.values import Limits
from paddle_serving_server.counting import timing
from paddle_serving_server.counting.meter import UNKNOWN_SERVICE
from paddle_serving_server.engine.feed import as_json, outputs_of
from paddle_serving_server.protocols.http import (
    body,
    encoding,
    management,
    pages,
    pipeline,
    refusal,
    tensor_body,
    trace,
    variants,
)
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.services import general_model, json_result
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.general_model import FULL_SERVICE, SERVICE, check_names, infer
from paddle_serving_server.services.web_service import WebService
from paddle_serving_server.user_code import faults

_PROTOBUF = ("application/proto", "application/x-protobuf")


class Routes:
    """Answers whole requests. The one place in this protocol where errors become statuses."""

    def __init__(self, catalogue: Catalogue, limits: Limits) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._pages: dict[str, Callable[[], HttpResponse]] = {
            "/health": self._health,
            "/live": self._live,
            "/ready": self._health,
            "/services": self._services,
            "/version": self._version,
        }

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer any request."""
        started = request.arrived or time.monotonic()
        parts = request.path.strip("/").split("/")
        is_general_model = len(parts) == 2 and parts[0] in (SERVICE, FULL_SERVICE)
        try:
            if request.path in self._pages:
                return _only(request, ("GET", "HEAD")) or self._pages[request.path]()
            if self._catalogue.start.is_going:
                raise self._catalogue.start.refusal()
            if is_general_model:
                check_names(*parts)
                return self._counted(request, parts, started, await self._general_model(request))
            if request.method in ("GET", "HEAD") and (page := pages.answer(self._catalogue, request)) is not None:
                return page
            if request.path == trace.PATH:
                return await encoding.compressed(request, await trace.answer(self._catalogue, request))
            if management.is_asked_for(parts):
                return await management.answer(self._catalogue, request, parts[1], parts[2])
            if pipeline.is_for_a_pipeline(self._catalogue, parts):
                return await encoding.compressed(
                    request, await pipeline.answer(self._catalogue, self._limits, request, *parts)
                )
            if len(parts) == 2 and parts[1] == "prediction":
                if (not_allowed := _only(request, ("POST",))) is not None:
                    return not_allowed
                return self._counted(request, parts, started, await self._prediction(request, parts[0]))
            if self._catalogue.has_only_pipelines:
                return pipeline.not_found(self._paths())
            raise NoService(f"nothing here; there are: {', '.join(self._paths())}")
        except BaseException as exc:
            error = faults.as_error(exc, f"{request.method} {request.path}")
            self._count_failure(request, parts, error)
            return refusal.response(error, as_text=is_general_model)

    async def _prediction(self, request: HttpRequest, name: str) -> HttpResponse:
        service, began = self._catalogue[name], time.monotonic()
        deadline = (request.arrived or began) + self._limits.request_s
        service.check_room(deadline, len(request.body))
        call = await body.beside_the_loop(request, self._read, request, service, deadline)
        wanted = variants.wanted(self._catalogue, request, name)
        read = time.monotonic()
        response = await faults.in_time(service.infer(call), math.inf if service.keeps_time else deadline)
        answered = time.monotonic()
        if service.takes_tensors and tensor_body.wants_npy(request):
            said, media_type = tensor_body.to_npy(response.tensors), tensor_body.NPY
        else:
            said, media_type = _result(name, response), "application/json"
        ended = time.monotonic()
        stages = (
            Stage("read", (read - began) * 1000, began, read),
            *response.stages,
            Stage("write", (ended - answered) * 1000, answered, ended),
        )
        timing.note(stages, response.inside)
        headers = {timing.HEADER: timing.text(stages)} | variants.headers(wanted)
        answer = HttpResponse(200, said, media_type, headers)
        return answer if media_type == tensor_body.NPY else await encoding.compressed(request, answer)

    def _read(self, request: HttpRequest, service: WebService, deadline: float) -> Request:
        raw = body.plain(request, self._limits.max_body_bytes)
        if service.takes_tensors and tensor_body.is_tensor(request):
            tensors = tensor_body.read(request, raw, service.signature)
            return Request(tensors=tensors, fetch=tuple(body.fetched(request)), deadline=deadline)
        feed, fetch = body.instances(request, raw, service.file_input, service.takes_tensors)
        return Request(instances=feed, fetch=tuple(fetch), deadline=deadline, body_bytes=len(request.body))

    async def _general_model(self, request: HttpRequest) -> HttpResponse:
        deadline = (request.arrived or time.monotonic()) + self._limits.request_s
        raw = await body.beside_the_loop(request, body.plain, request, self._limits.max_body_bytes)
        wanted = variants.wanted(self._catalogue, request, self._catalogue.tensor_service.name)
        if request.content_type in _PROTOBUF:
            said = await general_model.answer(self._catalogue, raw, deadline)
            answer = HttpResponse(200, said, request.content_type, variants.headers(wanted))
        else:
            call = await body.beside_the_loop(request, general_model_json.request_from_json, raw)
            response = await infer(self._catalogue, call, deadline)
            said = general_model_json.response_to_json(response)
            answer = HttpResponse(200, said, headers=variants.headers(wanted))
        if request.headers.get(timing.ASK) == "1":
            stages, _ = timing.noted()
            answer = answer._replace(headers={**answer.headers, timing.HEADER: timing.text(stages)})
        return await encoding.compressed(request, answer)

    def _counted(self, request: HttpRequest, parts: list[str], started: float, response: HttpResponse) -> HttpResponse:
        sizes = len(request.body), len(response.body)
        self._catalogue.meter.answered(self._service_of(parts), "http", started, *sizes)
        return response

    def _count_failure(self, request: HttpRequest, parts: list[str], error: ServingError) -> None:
        """Count a call that failed; what is no call of a service is no failure of one."""
        if parts[-1] in ("prediction", *general_model.METHODS):
            name = self._service_of(parts)
            is_known = name in self._catalogue.names
            self._catalogue.meter.failed(name if is_known else UNKNOWN_SERVICE, "http", error, len(request.body))

    def _service_of(self, parts: list[str]) -> str:
        return self._catalogue.tensor_service.name if parts[0] in (SERVICE, FULL_SERVICE) else parts[0]

    def _health(self) -> HttpResponse:
        if self._catalogue.is_ready:
            return HttpResponse(200, b"OK", "text/plain")
        start = self._catalogue.start
        words = start.words if start.is_going else "not ready"
        return HttpResponse(503, words.encode(), "text/plain; charset=utf-8", {"Retry-After": "1"})

    def _live(self) -> HttpResponse:
        return HttpResponse(200, b"OK", "text/plain")

    def _services(self) -> HttpResponse:
        if self._catalogue.start.is_going:
            raise self._catalogue.start.refusal()
        return HttpResponse(200, orjson.dumps(self._catalogue.describe(), option=orjson.OPT_SERIALIZE_NUMPY))

    def _version(self) -> HttpResponse:
        libraries = {}
        for name in ("paddlepaddle", "paddlepaddle-gpu", "onnxruntime", "onnxruntime-gpu", "openvino", "numpy"):
            try:
                libraries[name] = version(name)
            except PackageNotFoundError:
                continue
        return HttpResponse(200, orjson.dumps({"paddle_serving_next": __version__, **libraries}))

    def _paths(self) -> list[str]:
        services = [f"POST /{name}/prediction" for name in self._catalogue.names]
        found = (*self._pages, *pages.paths(self._catalogue))
        return [*services, f"POST /{SERVICE}/inference", *(f"GET {path}" for path in found)]


def _result(name: str, response: Response) -> bytes:
    result = as_json(outputs_of(response)) if response.result is None and response.tensors else response.result
    try:
        return json_result.dumps(result)
    except errors.BackendFailed as exc:
        raise errors.BackendFailed(f"postprocess of service {name!r} returned what JSON cannot say: {exc}") from exc


def _only(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse | None:
    if request.method in methods:
        return None
    text = f"{request.method} is not answered here, {' and '.join(methods)} is"
    said = orjson.dumps({"err_no": int(ErrNo.NOT_IMPLEMENTED), "err_msg": text})
    return HttpResponse(HTTPStatus.METHOD_NOT_ALLOWED, said, headers={"Allow": ", ".join(methods)})
