"""multipart/form-data: the files and the text fields of a form, within limits (RFC 7578, RFC 2046 section 5.1.1)."""

import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from paddle_serving_client.errors import BadInput, BadPacket, TooLarge

MAX_PARTS: Final = 16
MAX_FIELD_BYTES: Final = 100 << 10
MAX_PART_HEAD_BYTES: Final = 8 << 10
_PARAMETER: Final = re.compile(r';\s*([^\s;="]+)\s*=\s*("(?:[^"\\]|\\.)*"(?=\s*(?:;|\Z))|[^;]*)')
_ESCAPED: Final = re.compile(r'\\(["\\])')
_EXTENDED: Final = re.compile(r"(utf-8|iso-8859-1)'[^']*'(.*)", re.IGNORECASE)
"""A value with its character set, as older clients write names beyond ASCII (RFC 5987)."""


@dataclass(slots=True)
class Form:
    """What is in it."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[bytes] = field(default_factory=list)
    """Their names are ignored: nothing is ever stored under them."""


def read_form(content_type: str, body: bytes) -> Form:
    """The form that a body is.

    Args:
        content_type: the header with the boundary.
        body: all of it. What stands before the first boundary and behind the last belongs to nobody.

    Raises:
        BadPacket: no boundary, cut, or damaged. TooLarge: more than is taken. BadInput: a file that is empty.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:
        raise BadPacket("multipart/form-data needs a boundary of 1 to 70 characters")
    parts = _Parts()
    parser = MultipartParser(boundary, parts.callbacks())
    try:
        parser.write(body[_first_boundary(boundary, body) :])
        parser.finalize()
    except FormParserError as exc:
        raise BadPacket(f"the multipart body is damaged: {exc}") from exc
    if not parts.ended:
        raise BadPacket("the multipart body is cut: its last boundary is missing")
    return parts.form


def _first_boundary(boundary: bytes, body: bytes) -> int:
    """Where the line with the first boundary begins: that of the body, or behind a preamble."""
    if body.startswith(b"--" + boundary):
        return 0
    found = re.search(rb"\r\n(?=--%b(?:\r\n|--))" % re.escape(boundary), body)
    if found is None:
        raise BadPacket(f"the boundary {boundary.decode('latin-1')!r} is not in the multipart body")
    return found.end()


class _Parts:
    """Collects the parts as the parser finds them."""

    def __init__(self) -> None:
        self.form = Form()
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
        said = _parameters(self._disposition.decode("utf-8", "replace"))
        name = said.get("name", "")
        data = b"".join(self._data)
        if not name:
            raise BadPacket("a part of the form has no name")
        if "filename" in said:
            if not data:
                raise BadInput(f"the file in field {name[:64]!r} is empty")
            self.form.files.append(data)
            return
        if len(data) > MAX_FIELD_BYTES:
            raise TooLarge(f"field {name[:64]!r} is {len(data)} bytes; a text field has at most {MAX_FIELD_BYTES}")
        self.form.fields[name] = data.decode("utf-8", "replace")

    def _end(self) -> None:
        self.ended = True


def _parameters(disposition: str) -> dict[str, str]:
    """The parameters of a Content-Disposition; `name*=` counts as `name=` where that is missing."""
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, value in _PARAMETER.findall(disposition):
        key, said = name.lower(), value.strip()
        if said.startswith('"') and said.endswith('"') and len(said) > 1:
            said = _ESCAPED.sub(r"\1", said[1:-1])
        if not key.endswith("*"):
            plain[key] = said
        elif coded := _EXTENDED.fullmatch(said):
            extended[key[:-1]] = unquote(coded[2], coded[1], "replace")
    return extended | plain
