"""The bytes of a request, made once, before the first is sent."""

import http.client
import json
import mimetypes
import secrets
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadConfig, ServingError
from paddle_serving_client.wire import brpc, general_model, general_model_json
from paddle_serving_client.wire.tensors import WireRequest, WireTensor
from paddle_serving_server.commands.load.replies import BrpcReplies, HttpReplies, Replies

_ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go."""

    host: str
    port: int
    path: str = "/"
    """With the query; of no use over RPC."""

    @classmethod
    def parse(cls, url: str) -> "Target":
        """Read `http://HOST:PORT/PATH`, or `HOST:PORT`.

        Raises:
            BadConfig: it is neither.
        """
        parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port or 80
        except ValueError:
            raise BadConfig(f"{url}: the port is no number from 1 to 65535") from None
        if parts.scheme not in ("http", "brpc"):
            raise BadConfig(f"{url}: only http:// is spoken here, without TLS")
        if not parts.hostname:
            raise BadConfig(f"{url}: expected http://HOST:PORT/PATH")
        path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        return cls(parts.hostname, port, f"{path}?{parts.query}" if parts.query else path)

    def __str__(self) -> str:
        return f"{self._authority}{self.path if self.path != '/' else ''}"

    @property
    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def post(self, body: bytes, content_type: str, headers: Sequence[str] = ()) -> bytes:
        """A whole HTTP request."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: {self._authority}",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


@dataclass(frozen=True, slots=True)
class Payload:
    """What is sent, again and again, and who reads the answers."""

    requests: tuple[bytes, ...]
    """Sent one after the other, then from the first again."""
    replies: Callable[[], Replies]
    what: str
    """For people."""


def of_images(target: Target, files: Sequence[Path], field: str = "", headers: Sequence[str] = ()) -> Payload:
    """Pictures as they are; with `field`, each as the file of a form.

    Raises:
        BadConfig: a file cannot be read, or is empty.
    """
    requests = []
    for file in files:
        data = _read(file)
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if field:
            boundary = secrets.token_hex(16)
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="picture"\r\n'
            data = f"{head}Content-Type: {kind}\r\n\r\n".encode() + data + f"\r\n--{boundary}--\r\n".encode()
            kind = f"multipart/form-data; boundary={boundary}"
        requests.append(target.post(data, kind, headers))
    sizes = f"{sum(map(len, requests)) / len(requests) / 1000:.0f} kB"
    what = files[0].name if len(files) == 1 else f"{len(files)} pictures"
    return Payload(tuple(requests), HttpReplies, f"{what}, {sizes}")


def of_json(target: Target, files: Sequence[Path], headers: Sequence[str] = ()) -> Payload:
    """JSON files as they are.

    Raises:
        BadConfig: a file cannot be read, or is not JSON.
    """
    bodies = [_read(file) for file in files]
    for file, body in zip(files, bodies, strict=True):
        try:
            json.loads(body)
        except ValueError as exc:
            raise BadConfig(f"{file} is not JSON: {exc}") from exc
    requests = tuple(target.post(body, "application/json", headers) for body in bodies)
    return Payload(requests, HttpReplies, files[0].name if len(files) == 1 else f"{len(files)} JSON files")


def of_example(target: Target, headers: Sequence[str] = ()) -> Payload:
    """The example of a service, as it tells it under `/services`.

    Raises:
        BadConfig: the service has none, or the server does not tell.
    """
    name = target.path.strip("/").partition("/")[0]
    found = next((s for s in services_of(target) if s["name"] == name), None)
    if found is None:
        raise BadConfig(f"{target}: no service {name!r} is served there")
    if not found.get("example"):
        raise BadConfig(f"service {name!r} has no example to send; say --image FILE or --json FILE")
    body = json.dumps({"feed": [found["example"]], "fetch": []}).encode()
    return Payload((target.post(body, "application/json", headers),), HttpReplies, f"the example of {name}")


def of_tensors(target: Target, file: Path | None) -> Payload:
    """A call of GeneralModelService over baidu_std.

    Args:
        file: the call as `GeneralModelService` takes it in JSON. None: numbers that fit the inputs of the server's
            first service, the same each time.

    Raises:
        BadConfig: the file is no such call, or the server does not tell its inputs.
    """
    if file is None:
        call, what = _made_up(services_of(target)), "made-up tensors"
    else:
        try:
            call, what = general_model_json.request_from_json(_read(file)), file.name
        except ServingError as exc:
            raise BadConfig(f"{file}: {exc}") from exc
    payload = general_model.encode_request(call)
    return Payload((rpc_request(payload),), BrpcReplies, f"{what}, {len(payload)} bytes over RPC")


def rpc_request(payload: bytes) -> bytes:
    """A frame that asks GeneralModelService."""
    return brpc.request_frame(brpc.SERVICE, "inference", 1, payload)


def services_of(target: Target) -> list[dict[str, Any]]:
    """What a server says under `/services`.

    Raises:
        BadConfig: nobody listens, or it is no server of ours.
    """
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_ASK_S)
    try:
        connection.request("GET", "/services")
        parsed = json.loads(connection.getresponse().read())
        return list(parsed["services"])
    except (OSError, http.client.HTTPException) as exc:
        raise BadConfig(f"{target}: it does not answer GET /services: {exc or type(exc).__name__}") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise BadConfig(f"{target}: GET /services does not tell what is served; say --image or --json") from exc
    finally:
        connection.close()


def _made_up(services: Sequence[Mapping[str, Any]]) -> WireRequest:
    service = services[0]
    random = np.random.default_rng(1)
    tensors = []
    for variable in service["inputs"]:
        if "shape" not in variable:
            raise BadConfig(f"service {service['name']!r} takes pictures; say --brpc FILE with its tensors as JSON")
        kind = next((e.numpy for e in dtype.ELEM_TYPES.values() if e.name == variable["dtype"]), None)
        if kind is None or variable["dtype"] == "string":
            raise BadConfig(f"input {variable['name']!r} is {variable['dtype']}; say --brpc FILE with its tensors")
        shape = [1 if n < 0 else n for n in variable["shape"]]
        values = random.random(shape) if kind.kind == "f" else np.ones(shape)
        tensors.append(WireTensor(name="", alias=variable["name"], array=values.astype(kind)))
    return WireRequest(tensors=tuple(tensors))


def _read(file: Path) -> bytes:
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise BadConfig(f"{file}: {exc.strerror or exc}") from exc
    if not data:
        raise BadConfig(f"{file} is empty")
    return data
