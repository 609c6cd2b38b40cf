"""An HTTP request and response as values."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs

Body: TypeAlias = bytes | memoryview
"""What came, not to be changed: a large body is a view of where it was received."""


_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class HttpRequest(NamedTuple):
    """A whole request; names of headers are lower case."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: Body
    peer: str = ""
    """The caller's address, without the port."""
    arrived: float = 0.0
    """When the whole request was there, on the clock of `time.monotonic`; 0: a moment ago."""

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case; empty if none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def query(self) -> dict[str, list[str]]:
        """The values behind the question mark."""
        return parse_qs(self.query_string, max_num_fields=64)


class HttpResponse(NamedTuple):
    """What goes back; length and connection headers are added by the stream."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NO_HEADERS
    close: bool = False
    """Whether the connection cannot be used any more."""


REASONS = {int(status): status.phrase for status in HTTPStatus}
