"""Small predictions in JSON: from the body to the lane, from rows to the answer, without a task of their own.

Only what is in order goes this way. Whatever is wrong or unusual is left to `apis.prediction`, which knows what to say.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from paddle_serving_app.signature import Arranged, Signature
from paddle_serving_client.errors import ServingError
from paddle_serving_client.message import Array, Instance
from paddle_serving_server.counting import timing
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.dataplane.quick import QuickCall
from paddle_serving_server.engine import lane
from paddle_serving_server.engine.feed import OneRow, as_json, tensors_of
from paddle_serving_server.engine.interface import Reply, stages_of
from paddle_serving_server.engine.lane import Kind, Lane
from paddle_serving_server.protocols.http import body, encoding, refusal, tensor_body
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse

Respond = Callable[[HttpResponse | None], None]
"""Takes the answer; None: answer in the ordinary way."""
_MAX_FETCHES: Final = 256
_PATH: Final = "/prediction"
_TIMING = "read;dur=%.3f, preprocess;dur=%.3f, queue;dur=%.3f, %s, postprocess;dur=%.3f, write;dur=%.3f"
"""As `timing.text` writes it; what all calls of a run have in common is written once."""


class _Outputs(NamedTuple):
    """What callers who fetch the same get."""

    kind: Kind
    aliases: list[str]


class _Run(NamedTuple):
    """What the calls that came back with one reply have in common."""

    reply: Reply | None
    started: float = 0.0
    came: float = 0.0
    stages: str = ""


class _Service:
    """One service whose instances go to the model as they are."""

    def __init__(self, name: str, way: Lane) -> None:
        self.name = name
        self.way = way
        self._version: object = None
        self._signature = Signature((), ())
        self._one_row = OneRow(self._signature)
        self._fetches: dict[tuple[str, ...], _Outputs] = {}
        self._last_run = _Run(None)

    def prepare(self, feed: Sequence[Instance], fetch: tuple[str, ...]) -> tuple[_Outputs, Sequence[Array]] | None:
        """What a call is and its values; None for one that is not joined. Raises where anything is wrong."""
        way = self.way
        if way.version is not self._version or len(self._fetches) > _MAX_FETCHES:
            self._version, self._signature = way.version, way.signature
            self._one_row = OneRow(self._signature)
            self._fetches.clear()
        if (values := self._one_row.read(feed)) is not None:
            if (known := self._fetches.get(fetch)) is None:
                known = self._outputs(Arranged(tuple(value[None] for value in values), {}), fetch)
                if known is None:
                    return None
                self._fetches[fetch] = known
            return known, values
        signature = self._signature
        arranged = signature.arrange(tensors_of(signature, feed))
        outputs = self._outputs(arranged, fetch)
        return None if outputs is None else (outputs, arranged.arrays)

    def run_of(self, reply: Reply) -> _Run:
        """What this call has in common with those that came back with it."""
        if reply is not self._last_run.reply:
            came = time.monotonic()
            queue, *stages = stages_of(reply, reply.sent, came)
            self._last_run = _Run(reply, queue.ended, came, timing.text(stages))
        return self._last_run

    def _outputs(self, arranged: Arranged, fetch: tuple[str, ...]) -> _Outputs | None:
        kind = self.way.kind(arranged, self._signature.select(fetch))
        return None if kind is None else _Outputs(kind, [self._signature.outputs[k].alias for k in kind.outputs])


class SmallPredictions:
    """Those of one server. What is remembered of its services lives as long as it."""

    def __init__(self, plane: DataPlane) -> None:
        self._plane = plane
        self._request_s = plane.limits.request_s
        self._services: dict[str, _Service] = {}
        """By name: those that were asked."""

    def take(self, request: HttpRequest, respond: Respond) -> bool:
        """Have a request answered, if it is of this sort.

        Args:
            request: any request.
            respond: called later, once, if this returns True.
        """
        if request.method != "POST" or len(request.body) > lane.MAX_BYTES or not request.path.endswith(_PATH):
            return False
        if request.query_string or not _is_ordinary(request.headers):
            return False
        name = request.path[1 : -len(_PATH)]
        way = self._plane.try_now(name)
        if way is None or (service := self._service(name, way)) is None:
            return False
        began = time.monotonic()
        try:
            text = request.body
            if b"true" in text or b"false" in text:  # `tensors_of` tells them from numbers
                return False
            feed, fetch = body.json_feed(text, True)
            read = time.monotonic()
            prepared = service.prepare(feed, tuple(fetch))
        except Exception:  # whatever it is: it comes again in the ordinary way, which answers and logs it
            return False
        if prepared is None:
            return False
        outputs, values = prepared
        moments = began, read, time.monotonic()
        call = _SmallCall(self._plane, service, request, respond, outputs.aliases, moments)
        outputs.kind.submit(call, values, began + self._request_s)
        return True

    def _service(self, name: str, way: Lane) -> _Service | None:
        """What is known of a service, if its instances go to the model as they are."""
        found = self._services.get(name)
        if found is not None and found.way is way:
            return found
        if not self._plane.catalogue[name].takes_tensors:
            return None
        found = self._services[name] = _Service(name, way)
        return found


class _SmallCall(QuickCall):
    """A request in a lane."""

    __slots__ = ("_aliases", "_moments", "_of", "_request", "_respond")

    def __init__(
        self,
        plane: DataPlane,
        service: _Service,
        request: HttpRequest,
        respond: Respond,
        aliases: Sequence[str],
        moments: tuple[float, float, float],
    ) -> None:
        super().__init__(plane, service.name, "http", moments[0], len(request.body))
        self._of = service
        self._request = request
        self._respond = respond
        self._aliases = aliases
        self._moments = moments
        """When it was there, read, and ready for the model."""

    def answered(self, outputs: Sequence[Array], reply: Reply) -> None:
        run = self._of.run_of(reply)
        result = as_json(dict(zip(self._aliases, outputs, strict=True)))
        made = time.monotonic()
        said = orjson.dumps({"result": result}, option=orjson.OPT_SERIALIZE_NUMPY)
        began, read, ready = self._moments
        before = (read - began) * 1000, (ready - read) * 1000, max(0.0, run.started - ready) * 1000
        after = (made - run.came) * 1000, (time.monotonic() - made) * 1000
        response = HttpResponse(200, said, headers={timing.HEADER: _TIMING % (*before, run.stages, *after)})
        if encoding.is_worth_it(self._request, response):
            task = asyncio.ensure_future(encoding.compressed(self._request, response))
            task.add_done_callback(lambda done: self._send(done.result()))
        else:
            self._send(response)

    def refuse(self, error: ServingError) -> None:
        self._respond(refusal.response(error))

    def again(self) -> None:
        self._respond(None)

    def _send(self, response: HttpResponse) -> None:
        self.count(len(response.body))
        self._respond(response)


def _is_ordinary(headers: Mapping[str, str]) -> bool:
    """Whether headers say JSON, and nothing that only `apis.prediction` knows."""
    if "content-encoding" in headers or "x-variant" in headers:
        return False
    return _is_json_for_json(headers.get("content-type", ""), headers.get("accept", ""))


@functools.lru_cache(256)
def _is_json_for_json(content_type: str, accept: str) -> bool:
    request = HttpRequest("POST", "", "", {"content-type": content_type, "accept": accept}, b"")
    return request.content_type in body.JSON and not tensor_body.wants_npy(request)
