"""The first bytes of answers."""

import orjson

from paddle_serving_client.errors import BackendFailed, ErrNo
from paddle_serving_server.protocols.http.message import REASONS, HttpRequest, HttpResponse


def head_of(response: HttpResponse, request: HttpRequest, keep_alive: bool, length: str) -> bytes:
    """The head of an answer; `length` is the line that says how long its body is, if one does."""
    head = [
        f"HTTP/1.1 {response.status} {REASONS.get(response.status, '')}",
        f"Content-Type: {response.content_type}",
        *([length] if length else []),
        *(f"{name}: {value}" for name, value in response.headers.items()),
    ]
    if not keep_alive:
        head.append("Connection: close")
    elif request.headers.get("connection", "").lower() == "keep-alive":
        head.append("Connection: keep-alive")
    return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")


def refusal(status: int, reason: str, number: ErrNo) -> bytes:
    """The whole answer to what was no request that could be read; the connection ends with it."""
    body = orjson.dumps({"err_no": int(number), "err_msg": reason})
    head = f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\nContent-Type: application/json\r\n"
    head += "Retry-After: 1\r\n" if status == 503 else ""
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def sendable(service: str, text: str) -> str:
    """A header as user code says it, fit to be sent.

    Raises:
        BackendFailed: it has characters that no header has.
    """
    if not text.isascii() or not text.isprintable():
        raise BackendFailed(f"service {service!r} gave a header that cannot be sent: {text[:64]!r}")
    return text
