"""An HTTP request and response as values."""

import re
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qs

from paddle_serving_client.errors import BadInput

MAX_QUERY_FIELDS: Final = 64
Body: TypeAlias = bytes | memoryview
"""What came, not to be changed: a large body is a view of where it was received."""
_QVALUE: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
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
        """The values behind the question mark.

        Raises:
            BadInput: too many.
        """
        if (count := self.query_string.count("&") + 1) > MAX_QUERY_FIELDS:
            raise BadInput(f"the URL has {count} fields behind the question mark, at most {MAX_QUERY_FIELDS} are taken")
        return parse_qs(self.query_string)


class HttpResponse(NamedTuple):
    """What goes back; length and connection headers are added by the stream."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NO_HEADERS
    close: bool = False
    """Whether the connection cannot be used any more."""
    parts: AsyncGenerator[bytes, None] | None = None
    """The body, where it is not known in advance: sent as it is made."""


def weight(accepted: str, *names: str) -> float:
    """How much a caller wants what has one of these names, from 0, not at all, to 1.

    Args:
        accepted: the value of a header such as Accept or Accept-Encoding (RFC 9110, 12.4.2).
        names: lower case. Wildcards are not looked at, and what cannot be read is no wish.
    """
    return max((_weight(*part.lower().split(";")) for part in accepted.split(",") if _is_named(part, names)), default=0)


def _is_named(part: str, names: tuple[str, ...]) -> bool:
    return part.partition(";")[0].strip().lower() in names


def _weight(_: str, *parameters: str) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QVALUE.fullmatch(value.strip()) else 0.0
    return 1.0


REASONS = {int(status): status.phrase for status in HTTPStatus}
