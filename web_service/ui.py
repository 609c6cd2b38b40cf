"""The page: a Flask application that is a client of the model server, and nothing more.

    python web_service/ui.py --server http://127.0.0.1:9393 --port 8080

Pictures go to the server over HTTP as they came; numbers go through the RPC client. No model, no image decoding here.
"""

import argparse
import functools
import ipaddress
import json
import logging
import re
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence, Set
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

import numpy as np
import urllib3
import waitress
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # it runs from a checkout that is not installed, too

from paddle_serving_client import Client, program
from paddle_serving_client.dtype import ELEM_TYPES, UNKNOWN
from paddle_serving_client.errors import (
    BadConfig,
    BadInput,
    BadPacket,
    DeadlineExceeded,
    ErrNo,
    NoService,
    ServingError,
    TooLarge,
    Unreachable,
    UnsupportedMedia,
)
from paddle_serving_client.message import Array
from paddle_serving_client.model_config import CLIENT_CONFIG, ModelSpec, Variable, to_text
from paddle_serving_client.profiler import Span
from paddle_serving_server.showing import page as shown
from paddle_serving_server.showing.page import MAX_PICTURE_BYTES

_MAX_FORM_BYTES = MAX_PICTURE_BYTES + (64 << 10)
"""The picture and the multipart lines around it."""
_MAX_ANSWER_BYTES = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SIGNATURES = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"BM": "bmp"}

_spans: ContextVar[Sequence[Span]] = ContextVar("spans")
"""Of the last call over RPC of this thread."""
JsonObject: TypeAlias = Mapping[str, Any]
logger = logging.getLogger(__name__)


class CrossSite(BadInput):
    """Another site's page made the browser send this."""


_STATUS: dict[type[ServingError], tuple[HTTPStatus, str]] = {
    CrossSite: (HTTPStatus.FORBIDDEN, "cross_site"),
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large"),
    UnsupportedMedia: (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_an_image"),
    BadInput: (HTTPStatus.BAD_REQUEST, "bad_input"),
    NoService: (HTTPStatus.NOT_FOUND, "no_service"),
    Unreachable: (HTTPStatus.SERVICE_UNAVAILABLE, "server_down"),
    DeadlineExceeded: (HTTPStatus.GATEWAY_TIMEOUT, "too_slow"),
    BadPacket: (HTTPStatus.BAD_GATEWAY, "bad_answer"),
}
"""Status of an error and the word by which the page finds its own sentence for it; the first class that fits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageConfig:
    """Where the model server is."""

    server: str = "http://127.0.0.1:9393"
    """Its address as this process reaches it."""
    public_server: str = ""
    """Its address as visitors reach it, for the lines they copy; empty means `server`."""
    timeout_s: float = 60.0
    """Longest wait for one answer."""
    hosts: tuple[str, ...] = ()
    """Names that visitors may have for this page, beside addresses and the names of this machine."""

    def __post_init__(self) -> None:
        for url in filter(None, (self.server, self.public_server)):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise BadConfig(f"server must look like http://127.0.0.1:9393, got {url!r}")
        if self.timeout_s <= 0:
            raise BadConfig(f"timeout_s must be above 0, got {self.timeout_s}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model server said, as it said it."""

    status: int
    body: bytes
    server_timing: str = ""


@dataclass(slots=True)
class ModelServer:
    """The model server as its client sees it: HTTP for pictures and descriptions, RPC for numbers."""

    config: PageConfig
    _http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False))
    _rpc: dict[str, Client] = field(default_factory=dict)
    _rpc_lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self) -> JsonObject:
        """What the page shows before anything is asked: `ready`, `starting` or `down`, and the services.

        While the server starts `doing` has its words on what it is doing.
        """
        try:
            health = self._call("GET", "/health", timeout_s=3)
            if health.status != HTTPStatus.OK:
                return {"state": "starting", "services": [], "doing": health.body.decode(errors="replace")[:500]}
            return {"state": "ready", **self._services()}
        except (Unreachable, DeadlineExceeded, BadPacket) as error:
            logger.info("the model server at %s does not answer: %s", self.config.server, error)
            return {"state": "down", "services": []}

    def openapi(self) -> Answer:
        """The server's own description of what can be asked of it, with examples that work."""
        return self._call("GET", "/openapi.json", timeout_s=10)

    def picture(self, service: str, picture: bytes, fetch: Sequence[str]) -> Answer:
        """Send a picture as it is; the answer is passed on as it is."""
        query = "?" + urlencode({"fetch": ",".join(fetch)}) if fetch else ""
        path = f"/{quote(service)}/prediction{query}"
        return self._call("POST", path, body=picture, content_type=picture_type(picture))

    def values(self, service: str, feed: JsonObject, fetch: Sequence[str]) -> Answer:
        """Send one instance: over RPC where the service takes that, as JSON over HTTP elsewhere.

        Raises:
            BadInput: a value that cannot become the input's array.
            NoService: the server does not have it.
        """
        found = next((described for described in self._services()["services"] if described["name"] == service), None)
        if found is None:
            raise NoService(f"the server has no service {service!r}")
        if found["rpc"]:
            spec = ModelSpec(_variables(found["inputs"]), _variables(found["outputs"]))
            return self._predict(service, spec, feed, fetch)
        body = json.dumps({"feed": [feed], "fetch": list(fetch)}).encode()
        return self._call("POST", f"/{quote(service)}/prediction", body=body, content_type="application/json")

    def _predict(self, service: str, spec: ModelSpec, feed: JsonObject, fetch: Sequence[str]) -> Answer:
        """`Client.predict` with one item; a batch axis of 1 is added to every input."""
        arrays = {variable.alias: _array(variable, feed.get(variable.alias)) for variable in spec.feeds}
        client = self._client(service, spec)
        outputs = client.predict(feed=arrays, fetch=list(fetch) or None, batch=True)
        result = {name: _jsonable(values.tolist()) for name, values in outputs.items()}
        return Answer(HTTPStatus.OK, json.dumps({"result": result}).encode(), _server_timing(_spans.get()))

    def _call(
        self, method: str, path: str, *, body: bytes | None = None, content_type: str = "", timeout_s: float = 0
    ) -> Answer:
        timeout = urllib3.Timeout(connect=3, read=timeout_s or self.config.timeout_s)
        headers = {"Content-Type": content_type} if content_type else {}
        url = self.config.server.rstrip("/") + path
        try:
            reply = self._http.request(
                method, url, body=body, headers=headers, timeout=timeout, redirect=False, preload_content=False
            )
            try:
                answer = reply.read(_MAX_ANSWER_BYTES + 1)
                if len(answer) > _MAX_ANSWER_BYTES:
                    reply.close()  # what was not read must not meet the next request
                    raise BadPacket(f"the server's answer is over {_MAX_ANSWER_BYTES} bytes")
            finally:
                reply.release_conn()
        except urllib3.exceptions.ReadTimeoutError as exc:
            raise DeadlineExceeded(f"no answer within {timeout.read_timeout:g} s") from exc
        except urllib3.exceptions.HTTPError as exc:
            raise Unreachable(f"no model server at {self.config.server}") from exc
        return Answer(reply.status, answer, reply.headers.get("Server-Timing", ""))

    def _services(self) -> JsonObject:
        """As the server describes them, and `rpc`: RPC calls name no service, the server gives them to its first."""
        answer = self._call("GET", "/services", timeout_s=3)
        try:
            described = json.loads(answer.body)
            services = described["services"]
            names = [item["name"] for item in services]
            asked = [{**item, "rpc": item["name"] == names[0] and item["kind"] == "numbers"} for item in services]
            return {**described, "services": asked}
        except (ValueError, LookupError, TypeError) as exc:
            raise BadPacket("the server's /services is not what was expected; is it a Paddle Serving server?") from exc

    def _client(self, service: str, spec: ModelSpec) -> Client:
        """One connected client for each description a service has had; `predict` may run in several threads."""
        text = to_text(spec)
        with self._rpc_lock:
            client = self._rpc.get(service + text)
            if client is None:
                client = self._rpc[service + text] = self._connect(text)
        return client

    def _connect(self, config_text: str) -> Client:
        parts = urlsplit(self.config.server)
        client = Client(raise_errors=True)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, CLIENT_CONFIG).write_text(config_text, encoding="utf-8")
            client.load_client_config(folder)
        client.profile(_keep_spans)
        client.set_rpc_timeout_ms(int(self.config.timeout_s * 1000))
        client.connect([f"{parts.hostname}:{parts.port or 80}"])
        return client


def _keep_spans(spans: Sequence[Span]) -> None:
    _spans.set(spans)


def _server_timing(spans: Sequence[Span]) -> str:
    """The spans of a call over RPC as a `Server-Timing` header that adds up to the call.

    The server's spans are what came before the model, the model, what came after it, and the whole.
    """
    ms = {name: (end - start) / 1000 for name, start, end in spans}
    if "op3" not in ms:
        return f"rpc;dur={ms['client_infer']:.3f}"  # another server, which does not say it like this
    parts = {"network": max(0.0, ms["client_infer"] - ms["op3"]), "before": ms["op0"], "infer": ms["op1"]}
    return ", ".join(f"{name};dur={value:.3f}" for name, value in {**parts, "after": ms["op2"]}.items())


def create_app(config: PageConfig | None = None) -> Flask:
    """The application; one model server per application."""
    config = config or PageConfig()
    server = ModelServer(config)
    app = Flask(__name__, static_folder=str(shown.static()), static_url_path="/static")
    app.config.update(MAX_CONTENT_LENGTH=_MAX_FORM_BYTES, MAX_FORM_MEMORY_SIZE=100 << 10, MAX_FORM_PARTS=4)
    app.before_request(functools.partial(_refuse_other_names, _own_names() | {name.lower() for name in config.hosts}))
    app.before_request(_refuse_other_sites)
    app.after_request(_add_headers)
    app.register_error_handler(Exception, _answer_for)

    @app.get("/")
    def page() -> Response:
        language = shown.language(request.headers.get("Accept-Language", ""), request.headers.get("Cookie", ""))
        html = shown.render(language, server=config.public_server or config.server, route="proxy")
        return Response(html, headers={"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"})

    @app.get("/api/services")
    def services() -> Response:
        return _json_response(Answer(HTTPStatus.OK, json.dumps(server.state()).encode()))

    @app.get("/api/openapi")
    def openapi() -> Response:
        return _json_response(server.openapi())

    @app.post("/api/services/<name>/picture")
    def picture(name: str) -> Response:
        return _json_response(server.picture(_service(name), _upload(), _fetch(request.form.get("fetch", ""))))

    @app.post("/api/services/<name>/values")
    def values(name: str) -> Response:
        try:
            body = request.get_json()
        except RecursionError as exc:
            raise BadInput("the JSON is nested too deeply") from exc
        if not isinstance(body, dict) or not isinstance(body.get("feed"), dict):
            raise BadInput('expected {"feed": {input: values}, "fetch": [output, ...]}')
        return _json_response(server.values(_service(name), body["feed"], _fetch(body.get("fetch", []))))

    return app


def picture_type(picture: bytes) -> str:
    """The media type by content, never by name.

    Raises:
        UnsupportedMedia: none of the kinds the server reads.
    """
    for start, media_type in _SIGNATURES.items():
        if picture.startswith(start):
            return f"image/{media_type}"
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    raise UnsupportedMedia("this is not a JPEG, PNG, WebP, BMP or GIF picture")


def _own_names() -> set[str]:
    return {"localhost", socket.gethostname().lower(), socket.getfqdn().lower()}


def _refuse_other_names(names: Set[str]) -> None:
    """A site may have its own name resolve to this machine, and what it then reads here would count as its own."""
    try:
        host = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError:
        host = ""
    if host in names or host.endswith(".localhost") or _is_address(host):
        return
    raise CrossSite(f"this page is not called {host[:64]!r}; --allow_host says which names it has")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refuse_other_sites() -> None:
    """Browsers say where a POST comes from: `Sec-Fetch-Site`, or `Origin` where the page itself is plain HTTP."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site not in ("same-origin", "none"):
        raise CrossSite("this page takes requests from itself only")
    if site is None and origin is not None and urlsplit(origin).netloc != request.host:
        raise CrossSite("this page takes requests from itself only")


def _add_headers(response: Response) -> Response:
    response.headers.update(shown.HEADERS)
    return response


def _answer_for(error: Exception) -> Response:
    """What the browser is told, as the model server would say it, with `reason` for the page's own words."""
    if isinstance(error, ServingError):
        status, reason = next(
            (row for kind, row in _STATUS.items() if isinstance(error, kind)), (HTTPStatus.BAD_GATEWAY, "server_error")
        )
        err_no, message = error.err_no, str(error)
    elif isinstance(error, HTTPException) and error.code is not None:
        status, err_no = HTTPStatus(error.code), ErrNo.INPUT
        reason = "too_large" if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "bad_input"
        message = error.name
    else:
        logger.error("failed %s %s", request.method, request.path, exc_info=error)
        status, reason = HTTPStatus.INTERNAL_SERVER_ERROR, "page_error"
        err_no, message = ErrNo.UNKNOWN, "internal error"
    body = json.dumps({"err_no": int(err_no), "err_msg": message, "reason": reason}).encode()
    return _json_response(Answer(status, body))


def _json_response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    if answer.server_timing:
        response.headers["Server-Timing"] = answer.server_timing
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


def _variables(described: Sequence[JsonObject]) -> tuple[Variable, ...]:
    codes = {row.name: code for code, row in ELEM_TYPES.items()}
    rows = ((item["name"], codes.get(item.get("dtype", ""), UNKNOWN), item.get("shape", [])) for item in described)
    return tuple(Variable(name, name, elem_type, _item_shape(shape)) for name, elem_type, shape in rows)


def _item_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Without the batch axis, which a description may name as a leading -1."""
    return tuple(shape[1:] if shape and shape[0] == -1 else shape)


def _array(variable: Variable, values: object) -> Array:
    """One item with its batch axis of 1; `Client.predict` judges the values."""
    if values is None:
        raise BadInput(f"input {variable.alias!r} is missing")
    try:
        array = np.asarray(values)
    except ValueError as exc:
        raise BadInput(f"input {variable.alias!r} has lists of different lengths") from exc
    fixed = -1 not in variable.shape and bool(variable.shape)
    if fixed and array.size != np.prod(variable.shape):
        raise BadInput(f"input {variable.alias!r} takes {list(variable.shape)} values, got {array.size}")
    return array.reshape(1, *variable.shape) if fixed else array[np.newaxis]


def _jsonable(values: object) -> object:
    """NaN and infinities as words; JSON has no numbers for them."""
    if isinstance(values, list):
        return [_jsonable(value) for value in values]
    return values if not isinstance(values, float) or np.isfinite(values) else str(values)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=program.name("ui.py"), description="The page of a Paddle Serving server.")
    parser.add_argument("--server", default=PageConfig().server, help="the model server's address (%(default)s)")
    parser.add_argument("--public_server", default="", help="its address for visitors, where that is another one")
    parser.add_argument("--timeout_s", type=float, default=60.0, help="longest wait for an answer (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="where the page listens (%(default)s)")
    parser.add_argument(
        "--allow_host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name of the page behind a proxy, repeatable",
    )
    parser.add_argument("--port", type=int, default=8080, help="(%(default)s)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        config = PageConfig(
            server=args.server,
            public_server=args.public_server,
            timeout_s=args.timeout_s,
            hosts=tuple(args.allow_host),
        )
        listener = waitress.create_server(
            create_app(config),
            host=args.host,
            port=args.port,
            threads=16,
            ident=None,
            max_request_body_size=_MAX_FORM_BYTES,
            connection_limit=1000,
            channel_timeout=10,  # of silence: who has sent half a request and no more is cut off
            cleanup_interval=2,
            asyncore_use_poll=True,  # `select` knows 1024 files
        )
    except BadConfig as error:
        parser.error(str(error))
    except OSError as error:
        logger.error("cannot listen on %s:%d: %s", args.host, args.port, error.strerror)
        return error.errno or 1
    logger.info("the page is at http://%s:%d/, its model server at %s", args.host, args.port, args.server)
    listener.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
