"""From a request to the API that answers it. The one place in this protocol where errors become answers."""

from collections.abc import Sequence
from typing import Final

import orjson

from paddle_serving_client.errors import ErrNo, NoService, ServingError
from paddle_serving_server.config.listening import Listening, Role
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane
from paddle_serving_server.protocols.http import apis, permission, refusal
from paddle_serving_server.protocols.http.message import HttpRequest, HttpResponse
from paddle_serving_server.protocols.http.route import Exchange
from paddle_serving_server.protocols.http.table import Found, Table

_TEXT: Final = "{method} is not answered here, {allowed} is"


class Router:
    """Answers whole requests."""

    def __init__(self, plane: DataPlane, at: Listening) -> None:
        self._plane = plane
        self._at = at
        self.table = Table(apis.every(), at)
        self._counts = [count for api in apis.every() if (count := getattr(api, "answered", None)) is not None]
        self._apis = list({id(api): api for api, _ in self.table.routes}.values())

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """Answer any request."""
        what = f"{request.method} {request.path}"
        call = self._plane.call("http", what, request.arrived, len(request.body))
        found = self.table.find(request.path, self._plane.catalogue)
        # What its most literal template says, of those that have the method.
        chosen = next((f for f in found if f.route.method == _asked(request.method)), None)
        try:
            response = await self._plane.answer(call, self._answer_to(request, call, chosen, found), _size)
        except ServingError as exc:
            api = chosen.api if chosen else self.table.owner(request.path)
            response = api.refusal(exc, call) if api else refusal.response(exc)
        for count in self._counts:
            count(self._plane.catalogue, response.status)
        return response

    async def _answer_to(
        self, request: HttpRequest, call: Call, chosen: Found | None, found: Sequence[Found]
    ) -> HttpResponse:
        catalogue = self._plane.catalogue
        if catalogue.start.is_going and not (found and (chosen or found[0]).route.while_starting):
            raise catalogue.start.refusal()
        methods = list(dict.fromkeys(f.route.method for f in found))
        owner = self.table.owner(request.path)
        if chosen is None and owner is not None and request.method != "OPTIONS":
            unanswered: HttpResponse = getattr(owner, "unanswered")(request, methods)  # noqa: B009  # not in every API
            return unanswered
        if not found:
            return self._not_found() or _nothing(self.table.paths(catalogue))
        if chosen is None:
            in_its_words = getattr(found[0].api, "not_allowed", None)
            if in_its_words is not None and request.method != "OPTIONS":
                page: HttpResponse = in_its_words(methods)
                return page
            return self._not_found() or _not_allowed(request, methods)
        route = chosen.route
        is_guarded = route.role is Role.MANAGEMENT and not route.guards_itself
        if is_guarded and not apis.is_open(chosen.api, catalogue.config):
            forbidden = getattr(chosen.api, "forbidden", None)
            if (said := permission.refused(catalogue.config, request, forbidden)) is not None:
                return said
        call.service = route.counted_for(catalogue, chosen.names)
        return await route.answer(Exchange(self._plane, call, request, chosen.names, self._at))

    def _not_found(self) -> HttpResponse | None:
        """What an API says of all that is not there, if one does."""
        catalogue = self._plane.catalogue
        for api in self._apis:
            not_found = getattr(api, "not_found", None)
            if not_found is not None and (said := not_found(catalogue, self.table.paths(catalogue))) is not None:
                page: HttpResponse = said
                return page
        return None


def _nothing(paths: Sequence[str]) -> HttpResponse:
    raise NoService(f"nothing here; there are: {', '.join(paths)}")


def _size(response: HttpResponse) -> int:
    return len(response.body)


def _asked(method: str) -> str:
    return "GET" if method == "HEAD" else method


def _not_allowed(request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """The answer to another method than those of a path; OPTIONS asks which these are."""
    allowed = [said for method in methods for said in ((method, "HEAD") if method == "GET" else (method,))]
    headers = {"Allow": ", ".join([*allowed, "OPTIONS"])}
    if request.method == "OPTIONS":
        return HttpResponse(204, headers=headers)
    text = _TEXT.format(method=request.method, allowed=" and ".join(allowed))
    return HttpResponse(405, orjson.dumps({"err_no": int(ErrNo.NOT_IMPLEMENTED), "err_msg": text}), headers=headers)
