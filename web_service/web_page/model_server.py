"""The model server as its client sees it: HTTP for pictures and descriptions, RPC for numbers."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

import urllib3

from paddle_serving_client.errors import BadPacket, DeadlineExceeded, NoService, Unreachable, UnsupportedMedia
from web_page.config import PageConfig
from web_page.rpc_calls import RpcCalls

_MAX_ANSWER_BYTES: Final = 64 << 20
_SIGNATURES: Final = {b"\xff\xd8\xff": "jpeg", b"\x89PNG\r\n\x1a\n": "png", b"GIF8": "gif", b"BM": "bmp"}
JsonObject: TypeAlias = Mapping[str, Any]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model server said, as it said it."""

    status: int
    body: bytes
    server_timing: str = ""
    content_type: str = "application/json"


@dataclass(slots=True)
class ModelServer:
    """The model server as its client sees it: HTTP for pictures and descriptions, RPC for numbers."""

    config: PageConfig
    _http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=16, retries=False))
    _rpc: RpcCalls = field(init=False)

    def __post_init__(self) -> None:
        """Be ready to connect."""
        self._rpc = RpcCalls(self.config)

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
            result, timing = self._rpc.predict(service, found["inputs"], found["outputs"], feed, fetch)
            return Answer(HTTPStatus.OK, json.dumps({"result": result}).encode(), timing)
        return self.prediction(service, json.dumps({"feed": [feed], "fetch": list(fetch)}).encode(), "application/json")

    def prediction(self, service: str, body: bytes, content_type: str) -> Answer:
        """Send a body of any type as it is; the answer is passed on as it is."""
        return self._call("POST", f"/{quote(service)}/prediction", body=body, content_type=content_type)

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
        kind = reply.headers.get("Content-Type", "application/json")
        return Answer(reply.status, answer, reply.headers.get("Server-Timing", ""), kind)

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
