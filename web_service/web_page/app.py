"""The routes of the page: a Flask application in front of one model server."""

import functools
import json
import re
from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request

from paddle_serving_client.errors import BadInput, NoService, TooLarge, UnsupportedMedia
from paddle_serving_server.showing import page as shown
from paddle_serving_server.showing.page import MAX_PICTURE_BYTES
from web_page.answers import answer_for, response_of
from web_page.config import PageConfig
from web_page.guards import own_names, refuse_other_names, refuse_other_sites
from web_page.model_server import Answer, ModelServer

MAX_FORM_BYTES: Final = MAX_PICTURE_BYTES + (64 << 10)
"""The picture and the multipart lines around it."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PASSED_ON: Final = ("application/json", "application/x-npy", "application/octet-stream", "multipart/form-data")
"""Types of bodies that go to the server as they are, beside pictures."""


def create_app(config: PageConfig | None = None) -> Flask:
    """The application; one model server per application."""
    config = config or PageConfig()
    server = ModelServer(config)
    app = Flask(__name__, static_folder=str(shown.static()), static_url_path="/static")
    app.config.update(MAX_CONTENT_LENGTH=MAX_FORM_BYTES, MAX_FORM_MEMORY_SIZE=100 << 10, MAX_FORM_PARTS=4)
    app.before_request(functools.partial(refuse_other_names, own_names() | {name.lower() for name in config.hosts}))
    app.before_request(refuse_other_sites)
    app.after_request(_add_headers)
    app.register_error_handler(Exception, answer_for)

    @app.get("/")
    def page() -> Response:
        language = shown.language(request.headers.get("Accept-Language", ""), request.headers.get("Cookie", ""))
        html = shown.render(language, server=config.public_server or config.server, route="proxy")
        return Response(html, headers={"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"})

    @app.get("/api/services")
    def services() -> Response:
        return response_of(Answer(HTTPStatus.OK, json.dumps(server.state()).encode()))

    @app.get("/api/openapi")
    def openapi() -> Response:
        return response_of(server.openapi())

    @app.post("/api/services/<name>/picture")
    def picture(name: str) -> Response:
        return response_of(server.picture(_service(name), _upload(), _fetch(request.form.get("fetch", ""))))

    @app.post("/api/services/<name>/values")
    def values(name: str) -> Response:
        try:
            body = request.get_json()
        except RecursionError as exc:
            raise BadInput("the JSON is nested too deeply") from exc
        if not isinstance(body, dict) or not isinstance(body.get("feed"), dict):
            raise BadInput('expected {"feed": {input: values}, "fetch": [output, ...]}')
        return response_of(server.values(_service(name), body["feed"], _fetch(body.get("fetch", []))))

    @app.post("/api/services/<name>/prediction")
    def prediction(name: str) -> Response:
        return response_of(server.prediction(_service(name), request.get_data(cache=False), _content_type()))

    return app


def _add_headers(response: Response) -> Response:
    response.headers.update(shown.HEADERS)
    return response


def _service(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NoService("no service can have that name")
    return name


def _upload() -> bytes:
    file = request.files.get("image")
    if file is None:
        raise BadInput("the form has no file field 'image'")
    picture = file.stream.read(MAX_PICTURE_BYTES + 1)
    if len(picture) > MAX_PICTURE_BYTES:
        raise TooLarge(f"the picture is over {MAX_PICTURE_BYTES >> 20} MiB")
    if not picture:
        raise BadInput("the picture is an empty file")
    return picture


def _fetch(names: object) -> list[str]:
    if isinstance(names, str):
        names = [name for name in names.split(",") if name]
    if not isinstance(names, list) or len(names) > 64 or not all(isinstance(name, str) for name in names):
        raise BadInput("fetch is a list of at most 64 output names")
    return names


def _content_type() -> str:
    """As the browser said it, for it may have the boundary of a form."""
    kind = request.mimetype
    if kind not in _PASSED_ON and not kind.startswith("image/"):
        raise UnsupportedMedia(f"Content-Type {kind[:64]!r}; expected one of {', '.join(_PASSED_ON)}, or image/...")
    return request.headers["Content-Type"]
