"""What a body carries: JSON, files of a form, or a picture as it is; compressed or not; always within limits."""

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from paddle_serving_client.errors import BadInput, BadPacket, TooLarge, UnsupportedMedia
from paddle_serving_client.message import Instance
from paddle_serving_client.wire import brpc, json_body
from paddle_serving_server.protocols.http.message import Body, HttpRequest

MAX_PARTS = 16
MAX_FIELD_BYTES = 100 << 10
MAX_PART_HEAD_BYTES = 8 << 10
_LARGE_BYTES = 256 << 10
"""Bodies from this size on are read in a thread ..."""
_LARGE_PACKED_BYTES = 4 << 10
"""... and from this, if they are compressed."""
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
JSON = ("application/json", "text/json")
"""Content types of JSON."""


async def beside_the_loop(
    request: HttpRequest, read: Callable[_Given, _Result], *args: _Given.args, **kwargs: _Given.kwargs
) -> _Result:
    """Call what reads a body: in a thread if there is much to read, so that other callers are answered meanwhile."""
    is_packed = "content-encoding" in request.headers
    if len(request.body) < (_LARGE_PACKED_BYTES if is_packed else _LARGE_BYTES):
        return read(*args, **kwargs)
    return await asyncio.to_thread(read, *args, **kwargs)


def plain(request: HttpRequest, max_bytes: int) -> Body:
    """The body without its Content-Encoding.

    Raises:
        UnsupportedMedia: an encoding other than gzip. BadPacket: damaged. TooLarge: it grows over the limit.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return request.body
    if encoding not in ("gzip", "x-gzip"):
        raise UnsupportedMedia(f"Content-Encoding {encoding[:32]!r} is not read here; gzip is")
    return bytes(brpc.decompress(brpc.Compression.GZIP, bytes(request.body), max_bytes))


def instances(
    request: HttpRequest, body: Body, file_input: str, as_arrays: bool = False
) -> tuple[list[Instance], list[str]]:
    """The feed and the fetch of a prediction, from whatever form it came in.

    Args:
        request: for its content type and its query, where `fetch` may be.
        body: without Content-Encoding.
        file_input: the name that a picture gets in its instance.
        as_arrays: whether long lists of numbers may be arrays in the instances.

    Raises:
        UnsupportedMedia: another content type. BadPacket: not what the content type says. BadInput: no feed in it.
    """
    kind = request.content_type
    wanted = fetched(request)
    if kind in JSON:
        feed, fetch = json_feed(body, as_arrays)
        return feed, fetch or wanted
    if not body:
        raise BadInput("the request has no body")
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [{file_input: bytes(body)}], wanted
    if kind == "multipart/form-data":
        return _form(request.headers["content-type"], bytes(body), file_input, wanted)
    came = f"Content-Type {kind[:64]!r}" if kind else "no Content-Type"
    raise UnsupportedMedia(f"{came}; expected application/json, image/..., or multipart/form-data with a file")


def fetched(request: HttpRequest) -> list[str]:
    """The names in `?fetch=a,b`."""
    return _names(",".join(request.query.get("fetch", ()))) if request.query_string else []


def json_feed(body: Body, as_arrays: bool) -> tuple[list[Instance], list[str]]:
    """The feed and the fetch of a JSON body, as `instances` gives them."""
    said = json_body.loads(body, as_arrays)
    if not isinstance(said, dict):
        raise BadInput('the body must be an object: {"feed": [{...}], "fetch": [...]}')
    if "feed" not in said:
        raise BadInput(f'the body has no "feed"; it has {", ".join(repr(k[:64]) for k in list(said)[:8]) or "nothing"}')
    feed, fetch = said["feed"], said.get("fetch")
    if not isinstance(feed, list) or not feed or not all([isinstance(item, dict) for item in feed]):
        raise BadInput('"feed" must be a list of at least one object: {"feed": [{"x": ...}], "fetch": [...]}')
    if isinstance(fetch, str):
        return feed, [fetch]
    if fetch is not None and not (isinstance(fetch, list) and all(isinstance(name, str) for name in fetch)):
        raise BadInput('"fetch" must be a list of names')
    return feed, fetch or []


def _form(content_type: str, body: bytes, file_input: str, wanted: list[str]) -> tuple[list[Instance], list[str]]:
    """Each file is an instance; text fields belong to every instance, but for `fetch`."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise BadPacket("multipart/form-data needs a boundary of 1 to 70 characters")
    form = _Form()
    parser = MultipartParser(boundary, form.callbacks())
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise BadPacket(f"the multipart body is damaged: {exc}") from exc
    if not form.ended:
        raise BadPacket("the multipart body is cut: its last boundary is missing")
    if "fetch" in form.fields:
        wanted = _names(form.fields.pop("fetch"))
    if not form.files:
        raise BadInput(f"the form has no file; send one in the field {file_input!r}")
    return [{**form.fields, file_input: data} for data in form.files], wanted


class _Form:
    """Collects the parts of a multipart body. File names are ignored: nothing is ever stored under them."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.files: list[bytes] = []
        self.ended = False
        self._parts = 0

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header(self._name, data[start:end]),
            "on_header_value": lambda data, start, end: self._header(self._value, data[start:end]),
            "on_header_end": self._header_end,
            "on_part_data": lambda data, start, end: self._data.append(data[start:end]),
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise TooLarge(f"a form has at most {MAX_PARTS} parts")
        self._disposition = b""
        self._name, self._value = bytearray(), bytearray()
        self._head_bytes = 0
        self._data: list[bytes] = []

    def _header(self, into: bytearray, piece: bytes) -> None:
        self._head_bytes += len(piece)
        if self._head_bytes > MAX_PART_HEAD_BYTES:
            raise TooLarge(f"the head of a form's part is at most {MAX_PART_HEAD_BYTES} bytes")
        into += piece

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end_part(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        data = b"".join(self._data)
        if not name:
            raise BadPacket("a part of the form has no name")
        if b"filename" in options:
            if not data:
                raise BadInput(f"the file in field {name[:64]!r} is empty")
            self.files.append(data)
            return
        if len(data) > MAX_FIELD_BYTES:
            raise TooLarge(f"field {name[:64]!r} is {len(data)} bytes; a text field has at most {MAX_FIELD_BYTES}")
        self.fields[name] = data.decode("utf-8", "replace")

    def _end(self) -> None:
        self.ended = True


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
