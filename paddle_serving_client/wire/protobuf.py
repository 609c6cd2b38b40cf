"""Protobuf's wire format by hand: fields without a copy, packed numbers without a Python loop.

The protobuf runtime makes an object of every number, and expands a few bytes to many before anyone can object.
Here a field is a view of the message, and numpy takes the numbers from it. What a message means is not known here.

Format: https://protobuf.dev/programming-guides/encoding/
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from paddle_serving_client.errors import BadPacket, TooLarge

Part: TypeAlias = bytes | memoryview
"""A piece of a message that is being written; views are of bytes."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types; 3 and 4 are groups, which proto3 does not have."""

MAX_FIELDS = 4096
"""Fields of one message. Only numbers that were not packed come near it."""

_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_LAST_OF_TEN = 1
"""The tenth byte of a varint holds one bit."""
_UINT64 = (1 << 64) - 1
_FEW = 32
"""Up to so many bytes, or numbers, a plain loop is faster than numpy."""
_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))
_FIRST_LOOK = 64
"""Bytes looked at for numbers in a row; four times as many as long as there is nothing else in them."""
_PIECE = 1 << 16
"""Bytes, or numbers, handled at a time: what numpy needs in between stays small beside the result."""


class MessageType:
    """The fields of a message that are wanted; all others are skipped."""

    def __init__(self, **fields: tuple[int, ...]) -> None:
        """Take `name=(number, wire type, ...)`; numbers that may come packed have two wire types."""
        self._name_of_tag = {number << 3 | kind: name for name, (number, *kinds) in fields.items() for kind in kinds}
        self.number_of = {name: number for name, (number, *_) in fields.items()}
        self._name_of_number = {number: name for name, number in self.number_of.items()}

    def read(self, message: memoryview, runs: bool = False, most: int = MAX_FIELDS) -> dict[str, list[memoryview]]:
        """The values of each field that came, without tag and length, in their order. Views, no copies.

        Args:
            message: its bytes.
            runs: whether numbers that were not packed are to be expected: what stands in a row of them is then taken
                at once, as if it had been packed, and counts as one field.
            most: how many fields it may have.

        Raises:
            BadPacket: not the wire format, cut, or a wanted field of another wire type.
            TooLarge: more than `most` fields.
        """
        got: dict[str, list[memoryview]] = {}
        at, end = 0, len(message)
        for _ in range(most):
            if at == end:
                return got
            begin = at
            tag, start = read_varint(message, at)
            kind = tag & 7
            if kind == BYTES:
                size, start = read_varint(message, start)
                at = start + size
            elif kind == VARINT:
                _, at = read_varint(message, start)
            elif kind in _FIXED_BYTES:
                at = start + _FIXED_BYTES[kind]
            else:
                raise BadPacket(f"protobuf field {tag >> 3} has wire type {kind}, which is not read")
            if at > end:
                raise BadPacket(f"protobuf field {tag >> 3} needs {at - start} bytes, {end - start} are left")
            name = self._name_of_tag.get(tag)
            if name is not None:
                if runs and kind != BYTES and at < end and message[at] == tag < 0x80:
                    packed, at = _run(message, begin, tag)
                    got.setdefault(name, []).append(packed)
                else:
                    got.setdefault(name, []).append(message[start:at])
            elif tag >> 3 in self._name_of_number or not 8 <= tag < 1 << 32:
                name = self._name_of_number.get(tag >> 3, "a field that cannot be")
                raise BadPacket(f"protobuf field {tag >> 3} ({name}) came with wire type {kind}")
        if at < end:
            raise TooLarge(f"a protobuf message of more than {most} fields; numbers should be packed")
        return got


def read_varint(message: memoryview, at: int = 0) -> tuple[int, int]:
    """The unsigned varint at a place, and the place after it.

    Raises:
        BadPacket: cut, or over 64 bits.
    """
    try:
        byte = message[at]
        if byte < 0x80:
            return byte, at + 1
        value, shift = byte & 0x7F, 7
        while shift < 7 * _MAX_VARINT_BYTES:
            at += 1
            byte = message[at]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value > _UINT64:
                    break
                return value, at + 1
            shift += 7
    except IndexError:
        raise BadPacket("a protobuf varint is cut") from None
    raise BadPacket("a protobuf varint does not fit in 64 bits")


def signed(value: int) -> int:
    """An unsigned varint as the int64 it stands for."""
    return value - (1 << 64) if value >> 63 else value


def count_varints(packed: memoryview) -> int:
    """How many numbers packed varints hold, without decoding them."""
    return int(np.count_nonzero(np.frombuffer(packed, np.uint8) < 0x80))


def unpack_varints(packed: memoryview) -> npt.NDArray[np.int64]:
    """Decode packed varints to a fresh array.

    Raises:
        BadPacket: a varint is cut or does not fit in 64 bits.
    """
    raw = np.frombuffer(packed, np.uint8)
    if not raw.size:
        return np.empty(0, np.int64)
    if raw[-1] >= 0x80:
        raise BadPacket("packed varints are cut")
    if raw.max() < 0x80:
        return raw.astype(np.int64)
    if raw.size <= _FEW:
        return np.fromiter(_each_varint(packed), np.int64)
    values = np.empty(count_varints(packed), np.uint64)
    at = done = 0
    while at < raw.size:
        piece = raw[at : at + _PIECE]
        if at + _PIECE < raw.size:
            tail = np.flatnonzero(piece[-_MAX_VARINT_BYTES:] < 0x80)
            if not tail.size:
                raise BadPacket("a packed varint is longer than 10 bytes")
            piece = piece[: len(piece) - _MAX_VARINT_BYTES + int(tail[-1]) + 1]
        decoded = _unpack_piece(piece)
        values[done : done + len(decoded)] = decoded
        at, done = at + len(piece), done + len(decoded)
    return values.view(np.int64)


def joined(runs: Sequence[memoryview]) -> memoryview:
    """The runs of one packed field as one; nearly always there is only one."""
    return runs[0] if len(runs) == 1 else memoryview(b"".join(runs))


def last_number(fields: Mapping[str, Sequence[memoryview]], name: str) -> int:
    """A field that is one varint: the last one that came, as protobuf has it; 0 where none did."""
    return read_varint(fields[name][-1])[0] if name in fields else 0


def unpack_few(packed: memoryview) -> list[int]:
    """As `unpack_varints`, to a list; quick when there are only a few."""
    return list(_each_varint(packed)) if len(packed) <= _FEW else unpack_varints(packed).tolist()


def pack_few(values: Iterable[int]) -> bytes:
    """As `pack_varints`, for a few numbers that are not in an array."""
    return b"".join(map(varint, values))


def pack_varints(values: npt.NDArray[np.integer]) -> bytes:
    """Encode numbers as packed varints; negative ones take ten bytes, as protobuf has it."""
    flat = np.ascontiguousarray(values, np.int64).reshape(-1).view(np.uint64)
    if not flat.size or flat.max() < 0x80:
        return flat.astype(np.uint8).tobytes()
    if flat.size <= _FEW:
        return pack_few(flat.tolist())
    return b"".join(_pack_piece(flat[at : at + _PIECE]) for at in range(0, flat.size, _PIECE))


def varint(value: int) -> bytes:
    """One varint; a negative number as the 64 bits it has."""
    if 0 <= value < 0x80:
        return _ONE_BYTE[value]
    if 1 << 49 <= value < 1 << 56:
        return _eight_septets(value)
    value &= _UINT64
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _eight_septets(value: int) -> bytes:
    """Times in microseconds, which every answer has two of: halves moved apart, then quarters, then eighths."""
    value = value & 0xFFFFFFF | (value & 0xFFFFFFF0000000) << 4
    value = value & 0x3FFF00003FFF | (value & 0xFFFC0000FFFC000) << 2
    value = value & 0x7F007F007F007F | (value & 0x3F803F803F803F80) << 1
    return (value | 0x80808080808080).to_bytes(8, "little")


def number_field(number: int, value: int) -> bytes:
    """A field that is one varint."""
    return varint(number << 3 | VARINT) + varint(value)


def bytes_field(number: int, *parts: Part) -> list[Part]:
    """A field of text, bytes, packed numbers or a nested message, in parts that are to be joined."""
    return [_bytes_head(number, sum(map(len, parts))), *parts]


@functools.lru_cache(maxsize=1024)
def _bytes_head(number: int, length: int) -> bytes:
    return varint(number << 3 | BYTES) + varint(length)


def _each_varint(packed: memoryview) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = read_varint(packed, at)
        yield signed(value)


def _run(message: memoryview, at: int, tag: int) -> tuple[memoryview, int]:
    """The numbers of one field that stand in a row, each behind its tag of one byte: packed, and the place after them.

    The first of them is known to be whole.
    """
    size = _FIRST_LOOK
    while True:
        raw = np.frombuffer(message[at : at + size], np.uint8)
        if width := _FIXED_BYTES.get(tag & 7):
            starts = np.arange(0, len(raw) - width, width + 1)
            ends = starts + width
        else:
            every_end = np.flatnonzero(raw < 0x80)
            ends = every_end[1::2]
            starts = np.concatenate(([0], ends[:-1] + 1)) if ends.size else ends
        others = np.flatnonzero(raw[starts] != tag)
        if others.size or at + size >= len(message):
            break
        size *= 4
    count = int(others[0]) if others.size else len(starts)
    after = int(ends[count - 1]) + 1
    values = np.ones(after, np.bool_)
    values[starts[:count]] = False
    return memoryview(raw[:after][values].tobytes()), at + after


def _unpack_piece(raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Decode varints that all end within `raw`."""
    ends = np.flatnonzero(raw < 0x80)
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    more = ends - starts
    longest = int(more.max())
    if longest >= _MAX_VARINT_BYTES:
        raise BadPacket("a packed varint is longer than 10 bytes")
    septets = raw & np.uint8(0x7F)
    values = septets[starts].astype(np.uint64)
    for k in range(1, longest + 1):
        which = np.flatnonzero(more >= k)
        septet = septets[starts[which] + k]
        if k == _MAX_VARINT_BYTES - 1 and septet.max() > _LAST_OF_TEN:
            raise BadPacket("a packed varint does not fit in 64 bits")
        values[which] |= septet.astype(np.uint64) << np.uint64(7 * k)
    return values


def _pack_piece(values: npt.NDArray[np.uint64]) -> bytes:
    lengths = np.ones(values.size, np.int64)
    for k in range(1, _MAX_VARINT_BYTES):
        longer = values >= np.uint64(1 << 7 * k)
        if not longer.any():
            break
        lengths += longer
    ends = np.cumsum(lengths)
    starts = ends - lengths
    out = np.empty(int(ends[-1]), np.uint8)
    for k in range(int(lengths.max())):
        which = np.flatnonzero(lengths > k)
        septet = (values[which] >> np.uint64(7 * k)).astype(np.uint8) & np.uint8(0x7F)
        out[starts[which] + k] = septet | (lengths[which] > k + 1).astype(np.uint8) << np.uint8(7)
    return out.tobytes()
