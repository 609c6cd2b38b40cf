"""Connections to one server that are kept and used again, on an event loop: what `connection_pool` is for threads."""

import asyncio
import contextlib
import math
import ssl
import time
from collections import deque
from typing import Final

from paddle_serving_client.attempts import Failed, failure
from paddle_serving_client.brpc_connection import CONNECT_TIMEOUT_S
from paddle_serving_client.connection_pool import MOST_IDLE, READ_BYTES, joined, refuse_no_tunnel, tunnel_request
from paddle_serving_client.errors import BadPacket, TooLarge
from paddle_serving_client.http_address import HttpAddress, Proxy
from paddle_serving_client.services.steps import Message
from paddle_serving_client.wire.http1 import ReplyReader
from paddle_serving_client.wire.reply import Reply

_FAILURES: Final = (OSError, EOFError, BadPacket, TooLarge)
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class AsyncExchange:
    """A request that was sent, and its answer while it comes."""

    def __init__(self, pool: "AsyncPool", streams: _Streams, reply: Reply) -> None:
        self._pool = pool
        self._streams: _Streams | None = streams
        self._reply = reply

    async def advance(self, deadline: float) -> None:
        """Wait for more of the answer. Raises OSError, EOFError, BadPacket, TooLarge."""
        assert self._streams is not None
        async with _until(deadline):
            data = await self._streams[0].read(READ_BYTES)
        if data:
            self._reply.feed(data)
        else:
            self._reply.ended()

    def close(self) -> None:
        """Have the connection used again, where the answer is complete; close it otherwise."""
        streams, self._streams = self._streams, None
        if streams is not None:
            self._pool.give_back(streams, self._reply.keeps_connection)


class AsyncPool:
    """Those to one server, through a proxy if there is one; they belong to the event loop that uses them first."""

    def __init__(self, address: HttpAddress, tls: ssl.SSLContext | None = None, proxy: Proxy | None = None) -> None:
        """Open nothing yet."""
        self.address = address
        self._tls = tls
        self._proxy = proxy
        self._is_closed = False
        self._idle: deque[_Streams] = deque()

    async def begin(self, message: Message, reply: Reply, deadline: float, timeout_s: float) -> AsyncExchange:
        """Send a request, and wait until an answer begins; see `ConnectionPool.begin`."""
        while True:
            streams = self._idle.pop() if self._idle else None
            is_kept = streams is not None
            if streams is not None and (streams[0].at_eof() or streams[1].is_closing()):
                streams[1].close()
                continue
            try:
                streams = streams or await self._connect(deadline, timeout_s)
                return await self._begin(streams, message, reply, deadline, timeout_s)
            except Failed as failed:
                if not (is_kept and failed.may_repeat):
                    raise

    async def exchange(self, message: Message, reply: Reply, deadline: float, timeout_s: float) -> None:
        """Send a request and wait for the whole answer, which is in `reply` then. Raises Failed."""
        exchange = await self.begin(message, reply, deadline, timeout_s)
        try:
            while not reply.is_complete:
                await exchange.advance(deadline)
        except _FAILURES as exc:
            raise failure(exc, self.address, reply, deadline, timeout_s) from exc
        finally:
            exchange.close()

    def give_back(self, streams: _Streams, may_be_kept: bool) -> None:
        """Take a connection back that nobody uses any more."""
        if may_be_kept and not self._is_closed and len(self._idle) < MOST_IDLE:
            self._idle.append(streams)
        else:
            streams[1].close()

    async def close(self) -> None:
        """Close what is idle now, and what is in use when it is done."""
        self._is_closed = True
        while self._idle:
            writer = self._idle.pop()[1]
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _begin(
        self, streams: _Streams, message: Message, reply: Reply, deadline: float, timeout_s: float
    ) -> AsyncExchange:
        exchange, writer = AsyncExchange(self, streams, reply), streams[1]
        try:
            for part in joined(message):
                writer.write(part)
            async with _until(deadline):
                await writer.drain()
            await exchange.advance(deadline)
        except _FAILURES as exc:
            writer.close()
            raise failure(exc, self.address, reply, deadline, timeout_s) from exc
        except BaseException:
            writer.close()
            raise
        return exchange

    async def _connect(self, deadline: float, timeout_s: float) -> _Streams:
        target = self._proxy.address if self._proxy else self.address
        is_tunnel = self._proxy is not None and self._tls is not None
        tls = None if is_tunnel else self._tls
        writer: asyncio.StreamWriter | None = None
        try:
            async with _until(min(deadline, time.monotonic() + CONNECT_TIMEOUT_S)):
                reader, writer = await asyncio.open_connection(
                    target.host, target.port, ssl=tls, server_hostname=self.address.host if tls else None
                )
                if is_tunnel and self._proxy is not None and self._tls is not None:
                    await self._open_tunnel(reader, writer, self._proxy)
                    await writer.start_tls(self._tls, server_hostname=self.address.host)
        except _FAILURES as exc:
            if writer is not None:
                writer.close()
            raise failure(exc, self.address, None, deadline, timeout_s) from exc
        except BaseException:
            if writer is not None:
                writer.close()
            raise
        return reader, writer

    async def _open_tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: Proxy) -> None:
        reply = ReplyReader(0, is_tunnel=True)
        writer.write(tunnel_request(self.address, proxy))
        while reply.head is None:
            if not (data := await reader.read(READ_BYTES)):
                raise EOFError
            reply.feed(data)
        refuse_no_tunnel(reply, self.address, proxy)


def _until(deadline: float) -> asyncio.Timeout:
    """Wait no longer than until the deadline, on the clock of `time.monotonic`. Raises TimeoutError."""
    if deadline == math.inf:
        return asyncio.timeout(None)
    return asyncio.timeout(max(0.0, deadline - time.monotonic()))
