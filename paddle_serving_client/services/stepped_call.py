"""A call of a service with steps of its own: instances as JSON or as files, and whatever it answers as its `result`."""

import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from paddle_serving_client import dtype
from paddle_serving_client.errors import BadInput, BadPacket
from paddle_serving_client.message import Instance
from paddle_serving_client.services.description import Description
from paddle_serving_client.wire import json_text
from paddle_serving_client.wire.http1 import HttpReply

_MOST_FILES: Final = 16
"""Of a form, as servers take them; more pictures go as JSON."""
_MAX_FIELD: Final = 16 << 10
"""Characters of a text that goes as the field of a form."""
_MAX_DEPTH: Final = 200
Message = list[bytes | memoryview]


def request(
    service: Description, given: Sequence[Instance], fetch: Sequence[str]
) -> tuple[str, Mapping[str, str], Message]:
    """Path, headers and body of a request; a picture goes as it is.

    Args:
        service: that is called.
        given: the instances.
        fetch: names for the service.

    Raises:
        BadInput: a value that JSON cannot say, or no such file.
    """
    if not given or not all(isinstance(instance, Mapping) for instance in given):
        raise BadInput(f"service {service.name!r} is called with a list of at least one instance, each a dict")
    path = f"/{service.name}/prediction"
    if not service.file_input:
        return path, {"Content-Type": "application/json"}, [_json(service, given, fetch)]
    read = [_with_file(service, instance) for instance in given]
    if (form := _form(service, read, fetch)) is not None:
        return path, *form
    texts = [{**one, service.file_input: _as_text(one[service.file_input])} for one in read]
    return path, {"Content-Type": "application/json"}, [_json(service, texts, fetch)]


def result(reply: HttpReply, service: Description) -> Any:
    """What a service answers.

    Raises:
        BadPacket: it is no answer of a service.
    """
    return result_in(bytes(reply.body), service)


def result_in(text: bytes, service: Description) -> Any:
    """The result in an answer, or in a part of one. Raises BadPacket."""
    try:
        return json_text.loads(text)["result"]
    except (ValueError, TypeError, KeyError) as exc:
        raise BadPacket(f"the answer of service {service.name!r} is not JSON with a result") from exc


def _form(
    service: Description, given: Sequence[Mapping[str, Any]], fetch: Sequence[str]
) -> tuple[Mapping[str, str], Message] | None:
    """One picture as the body, several as a form; None where they have more beside them than a form can say."""
    files = [instance[service.file_input] for instance in given]
    rest = [{key: value for key, value in one.items() if key != service.file_input} for one in given]
    is_text = all(map(_is_short_text, rest[0].values())) and "fetch" not in rest[0]
    if not is_text or any(one != rest[0] for one in rest) or len(files) + len(rest[0]) + 1 > _MOST_FILES:
        return None
    fields = dict(rest[0])
    if fetch:
        fields["fetch"] = ",".join(fetch)
    if any("," in name for name in fetch) or not all(map(_is_plain, fields)):
        return None
    boundary = token_hex(16)
    parts: Message = []
    for name, text in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode())
    for file in files:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{quote(service.file_input)}"; filename="file"'
        parts += [f"{head}\r\nContent-Type: application/octet-stream\r\n\r\n".encode(), file, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, parts


def _is_short_text(value: object) -> bool:
    """Whether a field of a form can say a value as it is."""
    return isinstance(value, str) and value.isprintable() and len(value) < _MAX_FIELD


def _is_plain(name: str) -> bool:
    return name.isascii() and name.replace("_", "").replace("-", "").isalnum()


def _with_file(service: Description, instance: Instance) -> Mapping[str, Any]:
    """An instance with the bytes of its picture in the place of the file's name."""
    name = service.file_input
    if name not in instance:
        keys = ", ".join(map(repr, instance)) or "nothing"
        raise BadInput(f"service {service.name!r} takes a picture as {name!r}; {keys} came")
    value = instance[name]
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
    elif isinstance(value, str | PathLike):
        if not _is_file(value):
            shown = str(value)[:128]
            raise BadInput(f"{name}={shown!r} is no file; a picture is a file's name, or the bytes of such a file")
        content = Path(value).read_bytes()
    else:
        raise BadInput(f"{name} must be the name of a picture file, or its bytes, got {type(value).__name__}")
    if not content:
        raise BadInput(f"{name}: the picture file is empty")
    return {**instance, name: content}


def _is_file(name: str | PathLike[str]) -> bool:
    """Whether there is such a file; a text that no file can be called is none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long, as a picture in base64, or with a zero byte
        return False


def _as_text(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _json(service: Description, given: Sequence[Instance], fetch: Sequence[str]) -> bytes:
    feed = [
        {_key(key, service.name): _plain(value, f"{key}", 0) for key, value in instance.items()} for instance in given
    ]
    try:
        return json_text.dumps({"feed": feed, "fetch": list(fetch)})
    except (TypeError, ValueError, UnicodeEncodeError) as exc:
        raise BadInput(f"service {service.name!r} takes JSON, which cannot say a value of the request: {exc}") from exc


def _plain(value: Any, where: str, depth: int) -> Any:
    """A value as JSON has it. Nothing is changed on its way: what JSON cannot say is refused.

    Raises:
        BadInput: not a finite number, bytes, or something that is no value at all.
    """
    if depth > _MAX_DEPTH:
        raise BadInput(f"{where.partition('[')[0]} is nested deeper than {_MAX_DEPTH}, or holds itself")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 64:
            raise BadInput(f"{where} is a whole number beyond 64 bits, which servers do not read in JSON")
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise BadInput(f"{where} is {value}, which JSON cannot say")
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _plain_array(value, where, depth)
    if isinstance(value, Mapping):
        return {_key(key, where): _plain(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{k}]", depth + 1) for k, item in enumerate(value)]
    if isinstance(value, bytes | bytearray | memoryview | PathLike):
        raise BadInput(
            f"{where} is {type(value).__name__}, and the service takes JSON, which has no bytes: send a text, as "
            "base64.b64encode(data).decode()"
        )
    raise BadInput(f"{where} is a {type(value).__name__}, which JSON cannot say")


def _plain_array(value: Any, where: str, depth: int) -> Any:
    if value.dtype == dtype.BFLOAT16:
        value = value.astype(np.float32)
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise BadInput(f"{where} has NaN or infinite numbers, which JSON cannot say")
    if value.dtype.kind not in "biufUO":
        raise BadInput(f"{where} is an array of {value.dtype}, which JSON cannot say")
    if value.dtype.kind == "f" and value.dtype.itemsize > 8:
        raise BadInput(f"{where} is an array of {value.dtype}, of which JSON has no digits")
    return value.tolist() if value.dtype.kind != "O" else _plain(value.tolist(), where, depth + 1)


def _key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise BadInput(f"a key of {where} is a {type(key).__name__}; keys are texts")
    return key
