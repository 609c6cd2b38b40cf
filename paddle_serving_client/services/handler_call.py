"""A call of a handler at a server in TorchServe's place: as a form where there are files, else as JSON."""

from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote

from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Instance
from paddle_serving_client.services.description import Description
from paddle_serving_client.wire import json_text
from paddle_serving_client.wire.http1 import HttpReply

KIND: Final = "torchserve"
"""Of such services, as the server describes them."""
_BODY: Final = "body"
_MOST_PARTS: Final = 16
"""Of a form, as servers take them."""
_Bytes = bytes | bytearray | memoryview
Message = list[bytes | memoryview]


def request(
    service: Description, given: Sequence[Instance], fetch: Sequence[str]
) -> tuple[str, Mapping[str, str], Message]:
    """Path, headers and body: bytes under `body` alone as they are, a form where others are bytes, else JSON.

    Raises:
        BadInput: several instances, `fetch`, which handlers do not have, or a value that neither can say.
    """
    if len(given) != 1 or fetch or not isinstance(given[0], Mapping):
        what = f"names in fetch ({', '.join(fetch)})" if fetch else f"{len(given)} instances"
        raise BadInput(f"service {service.name!r} takes one instance, a dict, and answers all it has; got {what}")
    (instance,) = given
    path = f"/predictions/{quote(service.name, safe='')}"
    if set(instance) == {_BODY} and isinstance(instance[_BODY], _Bytes):
        return path, {"Content-Type": "application/octet-stream"}, [bytes(instance[_BODY])]
    if any(isinstance(value, _Bytes) for value in instance.values()):
        return path, *_form(service, instance)
    return path, {"Content-Type": "application/json"}, [_json(service, dict(instance))]


def result(reply: HttpReply, service: Description) -> Any:
    """What the handler has answered: values of JSON, text, or bytes.

    Raises:
        BadPacket: it is not what its content type says.
    """
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytes(reply.body)
    try:
        if kind == "application/json":
            return json_text.loads(body)
        return body.decode() if kind.startswith("text/") else body
    except ValueError as exc:
        raise BadPacket(f"the answer of service {service.name!r} is not {kind}: {exc}") from exc


def _form(service: Description, instance: Mapping[str, Any]) -> tuple[Mapping[str, str], Message]:
    if len(instance) > _MOST_PARTS:
        raise BadInput(f"service {service.name!r}: a form has at most {_MOST_PARTS} parts, got {len(instance)}")
    boundary = token_hex(16)
    parts: Message = []
    for name, value in instance.items():
        is_file = isinstance(value, _Bytes)
        content = bytes(value) if is_file else value.encode() if isinstance(value, str) else _json(service, value)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{quote(str(name))}"'
        head += '; filename="file"\r\nContent-Type: application/octet-stream' if is_file else ""
        parts += [f"{head}\r\n\r\n".encode(), content, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, parts


def _json(service: Description, value: Any) -> bytes:
    try:
        return json_text.dumps(value)
    except (TypeError, ValueError, UnicodeEncodeError) as exc:
        raise BadInput(f"service {service.name!r} takes JSON, which cannot say a value of the request: {exc}") from exc
