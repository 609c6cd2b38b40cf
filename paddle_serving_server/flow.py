"""Back pressure on one connection: who wants reading to rest, and whether the peer takes what is written."""

import asyncio


class Flow:
    """Reading goes on only while nobody holds it; several may hold it for reasons of their own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
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
