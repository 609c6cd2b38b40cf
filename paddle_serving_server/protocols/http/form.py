"""multipart/form-data: the files and the text fields of a form, within limits (RFC 7578, RFC 2046 section 5.1.1).

The whole body is there, so the boundaries are looked for and nothing is read byte by byte.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from paddle_serving_client.errors import BadInput, BadPacket, TooLarge

MAX_PARTS: Final = 16
MAX_FIELD_BYTES: Final = 100 << 10
MAX_PART_HEAD_BYTES: Final = 8 << 10
_END_OF_HEAD: Final = b"\r\n\r\n"
_PLAIN: Final = ("7bit", "8bit", "binary")
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
    parts: dict[str, bytes] = field(default_factory=dict)
    """Files and fields by the names that their form gives them; of several with one name, the last."""


def read_form(content_type: str, body: bytes) -> Form:
    """The form that a body is.

    Args:
        content_type: the header with the boundary.
        body: all of it. What stands before the first boundary and behind the last belongs to nobody.

    Raises:
        BadPacket: no boundary, cut, or damaged. TooLarge: more than is taken. BadInput: a file that is empty.
    """
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise BadPacket("multipart/form-data needs a boundary of 1 to 70 characters")
    form, begin = Form(), 0
    for count, line in enumerate(_boundaries(boundary.encode("latin-1", "replace"), body)):
        if count > MAX_PARTS:
            raise TooLarge(f"a form has at most {MAX_PARTS} parts")
        if count:
            _take_part(form, body, begin, line.start())
        if line[1]:
            return form
        begin = line.end()
    if not begin:
        raise BadPacket(f"the boundary {boundary!r} is not in the multipart body")
    raise BadPacket("the multipart body is cut: its last boundary is missing")


def _boundaries(boundary: bytes, body: bytes) -> Iterator[re.Match[bytes]]:
    """The lines that part it, without what ends them: that is where the next head begins. The last one has a group."""
    line = rb"--%b(--)?[ \t]*(?=\r\n|\Z)" % re.escape(boundary)
    begin = 0
    if (first := re.match(line, body)) is not None:
        yield first
        begin = first.end()
    yield from re.compile(rb"\r\n" + line).finditer(body, begin)


def _take_part(form: Form, body: bytes, begin: int, end: int) -> None:
    """Put a part where it belongs; it begins with the line break behind its boundary."""
    behind = body.find(_END_OF_HEAD, begin, min(end, begin + MAX_PART_HEAD_BYTES))
    if behind < 0 and end - begin > MAX_PART_HEAD_BYTES:
        raise TooLarge(f"the head of a form's part is at most {MAX_PART_HEAD_BYTES} bytes")
    if behind < 0:
        raise BadPacket("the multipart body is damaged: a part has no empty line behind its head")
    headers = _headers(body[begin:behind].decode("utf-8", "replace"))
    said = _parameters(headers.get("content-disposition", ""))
    name, data = said.get("name", ""), body[behind + len(_END_OF_HEAD) : end]
    if not name:
        raise BadPacket("a part of the form has no name")
    if (coding := headers.get("content-transfer-encoding", "binary").lower()) not in _PLAIN:
        raise BadPacket(f"field {name[:64]!r} is in {coding[:32]!r}; the parts of a form are sent as they are")
    form.parts[name] = data
    if "filename" in said:
        if not data:
            raise BadInput(f"the file in field {name[:64]!r} is empty")
        form.files.append(data)
    elif len(data) > MAX_FIELD_BYTES:
        raise TooLarge(f"field {name[:64]!r} is {len(data)} bytes; a text field has at most {MAX_FIELD_BYTES}")
    else:
        form.fields[name] = data.decode("utf-8", "replace")


def _headers(head: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadPacket(f"the multipart body is damaged: {line[:64]!r} is no header of a part")
        found[name.lower()] = value.strip()
    return found


def _parameters(header: str) -> dict[str, str]:
    """The parameters of a header; `name*=` counts as `name=` where that is missing."""
    plain: dict[str, str] = {}
    extended: dict[str, str] = {}
    for name, value in _PARAMETER.findall(header):
        key, said = name.lower(), value.strip()
        if said.startswith('"') and said.endswith('"') and len(said) > 1:
            said = _ESCAPED.sub(r"\1", said[1:-1])
        if not key.endswith("*"):
            plain[key] = said
        elif coded := _EXTENDED.fullmatch(said):
            extended[key[:-1]] = unquote(coded[2], coded[1], "replace")
    return extended | plain
