"""A server that answers every request with the same 43 bytes: what the load generator can do on this machine."""

import asyncio
import sys
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 43\r\n\r\n" + b"x" * 43


class Trivial(asyncio.Protocol):
    """One connection. A request that comes in one piece, which a small one does, gets one answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(ANSWER)


async def main() -> None:
    """Serve until stopped."""
    server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


uvloop.run(main())
