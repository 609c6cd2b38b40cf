"""Arrays in the format of numpy.save, .npy: bytes -> a view of the values that are in them.

The header is read by pattern, and not as Python, which is what numpy reads it as: what numpy writes is understood, and
there is nothing that a header could do but be refused.
"""

import math
import re
import struct
import sys
from typing import Final

import numpy as np

from paddle_serving_client.errors import BadPacket
from paddle_serving_client.message import Array

MAX_RANK: Final = 16
_MAGIC: Final = b"\x93NUMPY"
_MAX_HEAD_BYTES: Final = 4096
_LENGTH: Final = {b"\x01\x00": struct.Struct("<H"), b"\x02\x00": struct.Struct("<I")}
"""How the length of the header is written, by the version of the format."""
_FIELD: Final = re.compile(
    rb"\s*'(?:descr'\s*:\s*'(?P<descr>[<>|=]?[b-zA-Z?](?:[1-9][0-9]{0,6}|0)?)'"
    rb"|fortran_order'\s*:\s*(?P<order>True|False)"
    rb"|shape'\s*:\s*\((?P<shape>(?:\s*[0-9]{1,20}L?\s*,)*\s*(?:[0-9]{1,20}L?)?\s*)\))\s*(?:,|\Z)"
)
"""One of the three fields. numpy writes a type as a letter and a size; what else `numpy.dtype` reads is a language."""


def view(data: bytes | memoryview, what: str, kinds: str = "biuf") -> Array:
    """The array, as a view of `data`; every length is checked against the bytes that are there.

    Args:
        data: all of a .npy file.
        what: it is, for messages.
        kinds: of elements that are taken, by numpy's letters: numbers and truth values.

    Raises:
        BadPacket: no such file, cut, of objects or other elements, or of more axes than are taken.
    """
    kind, is_fortran, shape, at = _header(bytes(data[:_MAX_HEAD_BYTES]), what)
    if kind.kind not in kinds or not kind.itemsize:
        raise BadPacket(f"{what} holds {str(kind)[:32]}; arrays of numbers are taken, objects never")
    if len(shape) > MAX_RANK:
        raise BadPacket(f"{what} has {len(shape)} axes, at most {MAX_RANK} are taken")
    count, rest = math.prod(shape), len(data) - at
    if count * kind.itemsize != rest:
        raise BadPacket(f"{what} says shape {shape}, {count * kind.itemsize} bytes; {rest} are there")
    if kind.kind == "U" and (np.frombuffer(data, f"{kind.byteorder}u4", offset=at) > sys.maxunicode).any():
        raise BadPacket(f"{what} has text that is not Unicode")
    try:
        return np.ndarray(shape, kind, data, at, order="F" if is_fortran else "C")
    except ValueError as exc:  # there is an axis of length 0, and another one that nothing could be as long as
        raise BadPacket(f"{what} says shape {shape}, which cannot be") from exc


def _header(head: bytes, what: str) -> tuple[np.dtype[np.generic], bool, tuple[int, ...], int]:
    """The type, whether the first axis runs fastest, the shape, and where the values begin."""
    at = len(_MAGIC)
    try:
        length = _LENGTH[head[at : at + 2]]
        begin = at + 2 + length.size
        end = begin + int(length.unpack_from(head, at + 2)[0])
        text = head[begin:end].strip()
        found = list(_FIELD.finditer(text[1:-1]))
        fields = {str(field.lastgroup): field[field.lastgroup or 0] for field in found}
        is_whole = head.startswith(_MAGIC) and end <= len(head) and text[:1] + text[-1:] == b"{}"
        if not is_whole or not len(fields) == len(found) == 3 or _FIELD.sub(b"", text[1:-1]).strip():
            raise ValueError("not as numpy writes it")
        kind = np.dtype(fields["descr"].decode())
        shape = tuple(map(int, re.findall(rb"[0-9]+", fields["shape"])))
    except (KeyError, ValueError, TypeError, struct.error) as exc:
        raise BadPacket(
            f"{what} is no array in the format of numpy.save, or its header is longer than {_MAX_HEAD_BYTES} bytes"
        ) from exc
    return kind, fields["order"] == b"True", shape, end
