"""What a body carries: JSON, files of a form, or a picture as it is; compressed or not; always within limits."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from paddle_serving_client.errors import BadInput, UnsupportedMedia
from paddle_serving_client.message import Instance
from paddle_serving_client.wire import brpc, json_body
from paddle_serving_server.protocols.http.form import read_form
from paddle_serving_server.protocols.http.message import Body, HttpRequest

_LARGE_BYTES = 256 << 10
"""Bodies from this size on are read in a thread ..."""
_LARGE_PACKED_BYTES = 4 << 10
"""... and from this, if they are compressed."""
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_COMPRESSIONS = {
    "gzip": brpc.Compression.GZIP,
    "x-gzip": brpc.Compression.GZIP,
    "deflate": brpc.Compression.ZLIB,
}
"""By Content-Encoding; HTTP's deflate is the zlib format."""
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
        UnsupportedMedia: another encoding than gzip and deflate. BadPacket: damaged. TooLarge: it grows over the limit.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        return request.body
    kind = _COMPRESSIONS.get(encoding)
    if kind is None:
        raise UnsupportedMedia(f"Content-Encoding {encoding[:32]!r} is not read here; gzip and deflate are")
    return bytes(brpc.decompress(kind, bytes(request.body), max_bytes))


def instances(
    request: HttpRequest, body: Body, file_input: str, as_arrays: bool = False
) -> tuple[list[Instance], list[str]]:
    """The feed and the fetch of a prediction, from whatever form it came in.

    Args:
        request: for its content type and its query, where `fetch` may be.
        body: without Content-Encoding.
        file_input: the name that a picture gets in its instance.
        as_arrays: whether long lists of numbers may be arrays in the instances.

    Each file of a form is an instance; its text fields belong to every instance, but for `fetch`.

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
        form = read_form(request.headers["content-type"], bytes(body))
        if "fetch" in form.fields:
            wanted = _names(form.fields.pop("fetch"))
        if not form.files:
            raise BadInput(f"the form has no file; send one in the field {file_input!r}")
        return [{**form.fields, file_input: data} for data in form.files], wanted
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


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
