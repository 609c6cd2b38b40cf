"""What is found under which path: the table of routes, and what follows from it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from paddle_serving_client.errors import ServingError
from paddle_serving_server.config.listening import Role
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.protocols.http import apis
from paddle_serving_server.protocols.http.message import HttpResponse
from paddle_serving_server.protocols.http.route import Exchange, Route
from paddle_serving_server.protocols.http.table import Table
from paddle_serving_server.services.catalogue import Catalogue
from paddle_serving_server.services.web_service import WebService
from tests.server.protocols.transport import Ask, serving

FROM_AFAR = "X-Forwarded-For: 10.0.0.1\r\n"


@pytest.fixture(scope="module")
def ask(uci_folder: Path) -> Iterator[Ask]:
    with serving(uci_folder, WebService("uci"), WebService("vars")) as ask:
        yield ask


def said(ask: Ask, method: str, path: str, headers: str = "") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    raw, _ = ask(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 0\r\n\r\n".encode())
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in rest), body


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/uci/prediction", "post, options"),
        ("/health", "get, head, options"),
        ("/", "get, head, options"),
        ("/GeneralModelService/inference", "post, options"),
        ("/services/uci/reload", "post, options"),
    ],
)
def test_other_methods_are_told_which_there_are(ask: Ask, path: str, allowed: str) -> None:
    for method, expected in (("OPTIONS", 204), ("DELETE", 405), ("PATCH", 405)):
        status, headers, body = said(ask, method, path)
        assert (status, headers["allow"]) == (expected, allowed)
        assert bool(body) is (expected == 405)


def test_head_is_get_without_a_body(ask: Ask) -> None:
    for path in ("/health", "/services", "/vars"):
        (got, _, page), (status, headers, body) = said(ask, "GET", path), said(ask, "HEAD", path)
        assert (status, body) == (got, b"")
        assert page
        assert int(headers["content-length"]) > 0


def test_what_is_literal_goes_before_names_and_slashes_at_the_end_do_not_matter(ask: Ask) -> None:
    assert said(ask, "GET", "/vars/prediction")[0] == 404, "a variable that is not there"
    assert said(ask, "POST", "/vars/prediction")[0] == 400, "the service of that name, which wants a body"
    assert said(ask, "GET", "/health/")[0] == 200
    assert said(ask, "POST", "/%75ci/prediction/")[0] == 400, "found, and has no body"


def test_a_place_that_is_not_there_says_what_is(ask: Ask) -> None:
    status, _, body = said(ask, "GET", "/a/b/c/d")
    text = json.loads(body)["err_msg"]
    assert status == 404
    for path in ("GET /health", "POST /uci/prediction", "POST /services/uci/reload", "GET /vars/{pattern}"):
        assert path in text


def test_every_route_of_management_is_closed_to_who_may_not_ask_and_no_other_is(ask: Ask) -> None:
    there = [api for api in apis.every() if api.API != "torchserve"]  # only where a server takes that one's place
    routes = [route for _, route in Table(there).routes]
    assert {route.role for route in routes} == set(Role)
    for route in routes:
        path = route.template.replace("{name}", "uci").replace("{method}", "inference").replace("{pattern}", "*")
        status, _, body = said(ask, route.method, path, FROM_AFAR)
        assert (status == 403) is (route.role is Role.MANAGEMENT), (path, status, body)


async def _never(exchange: Exchange) -> HttpResponse:
    raise AssertionError


class Verbs:
    """An API whose paths have verbs behind a colon."""

    API = "verbs"
    ROUTES: Sequence[Route] = tuple(
        Route(method="POST", template=template, answer=_never, about="")
        for template in ("/m/{name}", "/m/{name}:do", "/m/x:do", "/m/{name}/v/{v}:do", "/m/{name}:undo")
    )

    def refusal(self, error: ServingError, call: Call) -> HttpResponse:
        return HttpResponse(500)


@pytest.mark.parametrize(
    ("path", "template", "names"),
    [
        ("/m/a", "/m/{name}", {"name": "a"}),
        ("/m/a:do", "/m/{name}:do", {"name": "a"}),
        ("/m/a:undo", "/m/{name}:undo", {"name": "a"}),
        ("/m/a:b:do", "/m/{name}:do", {"name": "a:b"}),
        ("/m/a%3Ado", "/m/{name}", {"name": "a:do"}),
        ("/m/a%3Ab:do", "/m/{name}:do", {"name": "a:b"}),
        ("/m/x:do", "/m/x:do", {}),
        ("/m/:do", "/m/{name}", {"name": ":do"}),
        ("/m/a/v/1:do", "/m/{name}/v/{v}:do", {"name": "a", "v": "1"}),
    ],
)
def test_verbs_behind_a_name(path: str, template: str, names: dict[str, str]) -> None:
    found = Table([Verbs()]).find(path, Catalogue([WebService("uci")]))
    assert (found[0].route.template, found[0].names) == (template, names)


def test_templates_do_not_hide_each_other() -> None:
    """Every route is found under its own path; TorchServe's are there only in the place of it, its roles apart."""
    table = Table(apis.every())
    seen = [
        (route.method, route.template, *(("torchserve", route.role) if api.API == "torchserve" else ()))
        for api, route in table.routes
    ]
    assert len(seen) == len(set(seen))
