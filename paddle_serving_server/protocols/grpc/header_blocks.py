"""Blocks of headers (HPACK, RFC 7541): read by `hpack` and remembered, written without a table.

What a block says depends on its bytes and on the peer's dynamic table, and reading it changes the table only if it adds
an entry to it or resizes it. So a block is remembered where reading it has left the table as it was, and all are
forgotten when the table changes: a block that comes again meets the table that it was read with, and would leave it
alone again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from hpack import Decoder
from hpack.exceptions import HPACKError
from hpack.table import HeaderTable

from paddle_serving_server.protocols.grpc.frames import Broken, ErrorCode

READ_HEADER_BYTES: Final = 256 << 10
"""Headers that are read at all, as HTTP/2 counts them: with more the connection ends, not only the call."""
_MAX_BLOCKS: Final = 64
_MAX_BLOCK_BYTES: Final = 1024
"""How many are remembered of a connection, and of which size at most."""
_NEVER_INDEXED: Final = 0x10
_LONG: Final = 0x7F
NO_TABLE: Final = b"\x20"
"""Before a block: the dynamic table, which is not used, has size 0 from here on."""
_Read = TypeVar("_Read")


class _Table(HeaderTable):
    """A dynamic table that counts its changes."""

    changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.changes += 1
        HeaderTable.maxsize.fset(self, newmax)  # type: ignore[attr-defined]


class HeaderBlocks(Generic[_Read]):
    """Those of one peer, in their order."""

    def __init__(self, make: Callable[[Iterable[tuple[bytes, bytes]]], _Read]) -> None:
        """`make` makes of headers what is remembered."""
        self._make = make
        self._decoder = Decoder(READ_HEADER_BYTES)
        self._decoder.header_table = self._table = _Table()
        self._known: dict[bytes, _Read] = {}

    def read(self, block: bytes) -> _Read:
        """What a block says.

        Raises:
            Broken: it is none; nothing behind it can be read.
        """
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._table.changes
        try:
            fields = self._decoder.decode(block, raw=True)
        except HPACKError as exc:
            raise Broken(ErrorCode.COMPRESSION_ERROR, f"headers that cannot be read: {exc}") from exc
        except Exception as exc:  # hpack has let others through on damaged blocks
            raise Broken(ErrorCode.COMPRESSION_ERROR, f"headers that cannot be read: {exc!r}") from exc
        read = self._make([(bytes(name), bytes(value)) for name, value in fields])
        if self._table.changes != before:
            self._known.clear()
        elif len(block) <= _MAX_BLOCK_BYTES:
            if len(self._known) >= _MAX_BLOCKS:
                self._known.clear()
            self._known[block] = read
        return read


def block(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers as a block that needs no table, and adds to none."""
    return b"".join(_field(name, value) for name, value in fields)


def _field(name: bytes, value: bytes) -> bytes:
    if (name, value) == (b":status", b"200"):
        return b"\x88"
    return b"".join((bytes((_NEVER_INDEXED,)), _length(len(name)), name, _length(len(value)), value))


def _length(size: int) -> bytes:
    """A length of seven bits, or of these and more."""
    if size < _LONG:
        return bytes((size,))
    said, size = [_LONG], size - _LONG
    while size >= 0x80:
        said.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*said, size))
