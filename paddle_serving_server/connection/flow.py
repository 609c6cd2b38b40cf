"""Writing, and back pressure on one connection: who wants reading to rest, and whether the peer takes what is written.

Answers that are ready in one turn of the event loop leave one right after the other at its end. A peer that waits for
several of them is woken once; woken by each, it would take the processor from those that are still being written.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from paddle_serving_server.connection.intake import Intake

_due: list[Callable[[], None]] = []


def at_end_of_turn(write: Callable[[], None]) -> None:
    """Have something written when this turn is over."""
    if not _due:
        asyncio.get_running_loop().call_soon(write_due)
    _due.append(write)


def write_soon(transport: asyncio.Transport, data: bytes) -> None:
    """Write when this turn is over. Who closes a connection calls `write_due` first."""
    at_end_of_turn(partial(_write, transport, data))


def write_due() -> None:
    """Write what is due."""
    due = _due.copy()
    _due.clear()
    for write in due:
        write()


def _write(transport: asyncio.Transport, data: bytes) -> None:
    if not transport.is_closing():
        transport.write(data)


class Flow:
    """Reading goes on only while nobody holds it; several may hold it for reasons of their own."""

    def __init__(self, transport: asyncio.Transport, intake: Intake) -> None:
        self._transport = transport
        self.intake = intake
        """Where memory for large messages comes from."""
        self.peer = str((transport.get_extra_info("peername") or [""])[0])
        """The address of the peer."""
        self._holders: set[str] = set()
        self._writable = asyncio.Event()
        self._writable.set()

    def hold(self, who: str) -> None:
        """Let reading rest."""
        if not self._holders and not self._transport.is_closing():
            self._transport.pause_reading()
        self._holders.add(who)

    def release(self, who: str) -> None:
        """Take one's hold off; reading goes on when nobody else has one."""
        if who in self._holders:
            self._holders.discard(who)
            if not self._holders and not self._transport.is_closing():
                self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer does not take what was written: read nothing more from it, and write nothing more to it."""
        self._writable.clear()
        self.hold("peer")

    def resume_writing(self) -> None:
        """The peer has taken enough."""
        self._writable.set()
        self.release("peer")

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what is written."""
        return self._writable.is_set()

    async def writable(self) -> None:
        """Wait until the peer takes what is written."""
        if not self._writable.is_set():
            await self._writable.wait()
